// A stack around a bucket that is there already.
import { App, RemovalPolicy, Stack } from "aws-cdk-lib";
import { Bucket } from "aws-cdk-lib/aws-s3";

const stack = new Stack(new App(), "imported");
new Bucket(stack, "Bucket", { bucketName: "there-already", removalPolicy: RemovalPolicy.RETAIN });
