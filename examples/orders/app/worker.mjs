// The worker: takes commands from the queue and ships orders. A command for an order that does not
// exist fails, is tried again, and ends in the dead-letter queue.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, UpdateCommand } from "@aws-sdk/lib-dynamodb";

const table = DynamoDBDocumentClient.from(new DynamoDBClient({}));

async function ship(record) {
  const { id } = JSON.parse(record.body);
  await table.send(
    new UpdateCommand({
      TableName: process.env.TABLE,
      Key: { id },
      UpdateExpression: "SET #s = :shipped",
      ConditionExpression: "attribute_exists(id)",
      ExpressionAttributeNames: { "#s": "status" },
      ExpressionAttributeValues: { ":shipped": "SHIPPED" },
    }),
  );
  console.log(`shipped ${id}`);
}

export async function handler(event) {
  const results = await Promise.allSettled(event.Records.map(ship));
  const failed = event.Records.filter((_, i) => results[i].status === "rejected");
  return { batchItemFailures: failed.map((record) => ({ itemIdentifier: record.messageId })) };
}
