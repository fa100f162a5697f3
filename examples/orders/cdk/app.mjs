// The same application as ../template.yaml, written with the CDK. Nothing in it knows Undercast.
import { fileURLToPath } from "node:url";
import { App, CfnOutput, Duration, Stack } from "aws-cdk-lib";
import { HttpApi, HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { AttributeType, BillingMode, Table } from "aws-cdk-lib/aws-dynamodb";
import { Code, Function, Runtime } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { Queue } from "aws-cdk-lib/aws-sqs";

class Orders extends Stack {
  constructor(scope, id) {
    super(scope, id);
    const table = new Table(this, "Table", {
      partitionKey: { name: "id", type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
    });
    const deadLetters = new Queue(this, "DeadLetters");
    const commands = new Queue(this, "Commands", {
      visibilityTimeout: Duration.seconds(30),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: 3 },
    });
    const code = Code.fromAsset(fileURLToPath(new URL("../app", import.meta.url)));
    const common = { runtime: Runtime.NODEJS_20_X, code, memorySize: 256, timeout: Duration.seconds(10) };
    const api = new Function(this, "ApiFunction", {
      ...common,
      handler: "api.handler",
      environment: { TABLE: table.tableName, QUEUE_URL: commands.queueUrl },
    });
    const worker = new Function(this, "WorkerFunction", {
      ...common,
      handler: "worker.handler",
      environment: { TABLE: table.tableName },
    });
    worker.addEventSource(new SqsEventSource(commands, { batchSize: 10, reportBatchItemFailures: true }));
    table.grantReadWriteData(api);
    table.grantReadWriteData(worker);
    commands.grantSendMessages(api);

    const http = new HttpApi(this, "Api");
    const integration = new HttpLambdaIntegration("Integration", api);
    http.addRoutes({ path: "/orders", methods: [HttpMethod.POST], integration });
    http.addRoutes({ path: "/orders/{id}", methods: [HttpMethod.GET], integration });

    new CfnOutput(this, "Url", { value: http.apiEndpoint });
    new CfnOutput(this, "DeadLettersUrl", { value: deadLetters.queueUrl });
    new CfnOutput(this, "CommandsUrl", { value: commands.queueUrl });
  }
}

new Orders(new App(), "orders");
