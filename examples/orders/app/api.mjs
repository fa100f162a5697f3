// The HTTP side: orders are commands. Placing one stores it and hands it to the worker.
import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const table = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const queue = new SQSClient({});
const { TABLE, QUEUE_URL } = process.env;

const answer = (statusCode, body) => ({
  statusCode,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

async function place(event) {
  const { item, quantity } = JSON.parse(event.body ?? "{}");
  if (typeof item !== "string" || !Number.isInteger(quantity) || quantity < 1) {
    return answer(400, { message: "an order needs an item and a quantity of at least 1" });
  }
  const order = { id: randomUUID(), item, quantity, status: "PLACED" };
  await table.send(
    new PutCommand({ TableName: TABLE, Item: order, ConditionExpression: "attribute_not_exists(id)" }),
  );
  await queue.send(new SendMessageCommand({ QueueUrl: QUEUE_URL, MessageBody: JSON.stringify({ id: order.id }) }));
  return answer(201, order);
}

async function look(id) {
  const { Item } = await table.send(new GetCommand({ TableName: TABLE, Key: { id }, ConsistentRead: true }));
  return Item ? answer(200, Item) : answer(404, { message: `no order ${id}` });
}

export const handler = (event) =>
  event.routeKey === "POST /orders" ? place(event) : look(event.pathParameters.id);
