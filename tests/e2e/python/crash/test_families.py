"""Nested stacks in clouds that are killed again and again while they are made, changed, rolled back and deleted."""

import json
import os
import random
import time

from conftest import settled

KILLS = int(os.environ.get("UNDERCAST_KILLS", "6"))


def queue(name, delay):
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, "DelaySeconds": delay}}


def child(generation):
    """Half of the queues change in place, the other half are replaced."""
    queues = {f"Same{i}": queue(f"same{i}", generation) for i in range(4)}
    queues |= {f"New{i}": queue(f"new{i}-{generation}", 0) for i in range(4)}
    return {"Resources": queues, "Outputs": {"Generation": {"Value": str(generation)}}}


def names(generation):
    return sorted([f"same{i}" for i in range(4)] + [f"new{i}-{generation}" for i in range(4)])


def test_a_family_comes_to_its_end_whenever_the_cloud_dies(new_cloud):
    cloud = new_cloud().start()

    def parent(generation, **more):
        key = f"child{generation}.json"
        s3 = cloud.client("s3")
        s3.put_object(Bucket="templates", Key=key, Body=json.dumps(child(generation)).encode())
        nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": f"{cloud.url}/templates/{key}"}}
        seen = {"Generation": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Generation"]}}}
        return json.dumps({"Resources": {"Child": nested, **more}, "Outputs": seen})

    def die():
        time.sleep(random.random() * 0.15)
        cloud.kill()
        cloud.start()

    def check(stack, status, generation):
        row = settled(cloud.client("cloudformation"), stack)
        events = cloud.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        assert row["StackStatus"] == status, [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")) for e in events]
        assert row["Outputs"][0]["OutputValue"] == str(generation)
        sqs = cloud.client("sqs")
        assert sorted(url.rsplit("/")[-1] for url in sqs.list_queues()["QueueUrls"]) == names(generation)
        url = sqs.get_queue_url(QueueName="same0")["QueueUrl"]
        assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == str(generation)

    cloud.client("s3").create_bucket(Bucket="templates")
    stack = cloud.client("cloudformation").create_stack(StackName="s", TemplateBody=parent(0))["StackId"]
    die()
    check(stack, "CREATE_COMPLETE", 0)
    at, kills = 0, 1
    bad = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 9999}, "DependsOn": "Child"}
    while kills < KILLS:
        fails = random.random() < 0.5
        body = parent(at + 1, **({"Bad": bad} if fails else {}))
        cloud.client("cloudformation").update_stack(StackName="s", TemplateBody=body)
        for _ in range(random.randint(1, 2)):
            die()
            kills += 1
        at += 0 if fails else 1
        check(stack, "UPDATE_ROLLBACK_COMPLETE" if fails else "UPDATE_COMPLETE", at)
    cloud.client("cloudformation").delete_stack(StackName="s")
    die()
    assert settled(cloud.client("cloudformation"), stack)["StackStatus"] == "DELETE_COMPLETE"
    assert "QueueUrls" not in cloud.client("sqs").list_queues()
