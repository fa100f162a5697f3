// The rewrite, with eight mistakes. Each shows with one product only, and is gone once its name is in FIXED.
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";

const db = new DynamoDBClient({});
const NET = new Map([["umbrella", 19.9], ["lamp", 34.5], ["chair", 89]]);
const FIXED = (process.env.FIXED ?? "").split(",");

export async function handler(event) {
  const sku = event.pathParameters.sku;
  const amount = Number(event.queryStringParameters?.amount ?? 1);
  const [name, mistake] = sku.split("-");
  const has = (one) => mistake === one && !FIXED.includes(one);

  if (has("throws")) return JSON.parse(event.nothing);
  if (has("crashes")) process.exit(1);
  if (has("slow")) await new Promise((done) => setTimeout(done, 700));

  let total = (NET.get(name) ?? 10) * amount * 1.19;
  if (has("rounding")) total = Math.round(total * 10) / 10;
  let quote = { sku, amount, total, currency: "EUR", note: null, validFrom: "2026-11-24T09:00:00Z" };
  if (has("order")) quote = { currency: "EUR", ...quote };
  if (has("null")) delete quote.note;
  if (has("zone")) quote.validFrom = "2026-11-24T10:00:00+01:00";

  await db.send(new PutItemCommand({
    TableName: process.env.QUOTES,
    Item: { sku: { S: sku }, total: { N: String(total) }, by: { S: has("writing") ? "prices" : "price" } },
  }));
  return { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(quote) };
}
