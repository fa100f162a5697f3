"""Dark runs through boto3: what a candidate does is compared, and nothing of it exists."""

import itertools
import json
import random
import socket
import time
import urllib.error
import urllib.request

import pytest

from lambda_.test_lambda import archive

# One function, many ways: the environment says which.
SERVICE = """
const { DynamoDBClient, PutItemCommand, UpdateItemCommand } = require("@aws-sdk/client-dynamodb");
const { SQSClient, SendMessageCommand } = require("@aws-sdk/client-sqs");
const { randomUUID } = require("crypto");
const http = require("http"), https = require("https");
const db = new DynamoDBClient({}), sqs = new SQSClient({});
const { KIND, TABLE, QUEUE } = process.env;

const unsigned = (url, headers, body) => new Promise((done) => {
  const request = (url.startsWith("https") ? https : http).request(url, { method: "POST", headers, timeout: 3000 }, (r) => {
    let text = ""; r.on("data", (d) => text += d); r.on("end", () => done(r.statusCode + " " + text)); });
  request.on("error", (e) => done(e.code)); request.on("timeout", () => request.destroy());
  request.end(body);
});

// Everything that could lead out of the dark.
async function escape(event) {
  const put = JSON.stringify({ TableName: TABLE, Item: { id: { S: "escaped" } } });
  const target = { "x-amz-target": "DynamoDB_20120810.PutItem", "content-type": "application/x-amz-json-1.0" };
  const key = (k) => ({ ...target, authorization: `AWS4-HMAC-SHA256 Credential=${k}/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0` });
  const url = process.env.AWS_ENDPOINT_URL;
  const answers = [];
  for (const [u, h] of [
    [url, key(event.account)], [url, key("test")], [url, target],
    ["https://dynamodb.us-east-1.amazonaws.com/", key(event.account)],
    [url.replace("127.0.0.1", event.address), key(event.account)],
    [url + "/_undercast/control/call", { "content-type": "application/json" }],
    [url + "/_localstack/state/reset", {}],
  ]) answers.push(await unsigned(u, h, put));
  answers.push(await unsigned("http://example.com/", {}, "x"));
  return answers;
}

exports.handler = async (event) => {
  if (event.Records) event = JSON.parse(event.Records[0].body ?? event.Records[0].dynamodb.NewImage.event.S);
  const isHttp = !!event.rawPath;
  if (isHttp) event = JSON.parse(event.body);
  if (KIND === "throws") throw new TypeError("candidate");
  if (KIND === "crashes") process.exit(3);
  if (KIND === "hangs") await new Promise((done) => setTimeout(done, 60000));
  if (KIND === "hogs") { const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1)); }
  if (KIND === "slow") await new Promise((done) => setTimeout(done, 900));
  const escapes = KIND === "escapes" ? await escape(event) : undefined;
  const { Attributes } = await db.send(new UpdateItemCommand({
    TableName: TABLE, Key: { id: { S: "counter" } },
    UpdateExpression: "ADD n :one", ExpressionAttributeValues: { ":one": { N: "1" } }, ReturnValues: "UPDATED_NEW" }));
  await db.send(new PutItemCommand({ TableName: TABLE,
    Item: { id: { S: event.id }, token: { S: randomUUID() }, by: { S: KIND === "writes" ? "new" : "same" } },
    ConditionExpression: "attribute_not_exists(id)" }));
  for (let n = 0; n < (KIND === "twice" ? 2 : 1); n++)
    await sqs.send(new SendMessageCommand({ QueueUrl: QUEUE, MessageBody: JSON.stringify({ id: event.id }) }));
  let body = { n: Number(Attributes.n.N), price: KIND === "rounds" ? 1.23 : 1.234, id: event.id, at: "2026-11-24T10:00:00Z", note: null };
  if (KIND === "order") body = { id: body.id, n: body.n, price: body.price, at: body.at, note: null };
  if (KIND === "null") delete body.note;
  if (KIND === "zone") body.at = "2026-11-24T11:00:00+01:00";
  if (escapes) console.log("ESCAPES", JSON.stringify(escapes)), body.escapes = escapes;
  return isHttp ? { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : body;
};
"""


class Shop:
    def __init__(self, client, account):
        self.client, self.account = client, account
        self.lam, self.db, self.sqs = client("lambda"), client("dynamodb"), client("sqs")
        self.release = client("undercast-release")
        self.db.create_table(
            TableName="prices",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        self.url = self.sqs.create_queue(QueueName="orders")["QueueUrl"]
        self.variables = {"TABLE": "prices", "QUEUE": self.url}
        self.lam.create_function(
            FunctionName="f",
            Runtime="nodejs20.x",
            Role=f"arn:aws:iam::{account}:role/r",
            Handler="index.handler",
            MemorySize=256,
            Timeout=20,
            Environment={"Variables": self.variables},
            Code={"ZipFile": archive(index__js=SERVICE)},
            Publish=True,
        )
        self.alias = self.lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")["AliasArn"]
        self.n = 0

    def version(self, kind):
        self.lam.update_function_configuration(
            FunctionName="f", Environment={"Variables": {**self.variables, "KIND": kind}}
        )
        return self.lam.publish_version(FunctionName="f")["FunctionArn"]

    def start(self, kind, name="r", **more):
        # Whose machine is busy elsewhere is slow at times.
        rules = {"Slower": {"Factor": 3, "AtLeastMs": 800 if kind == "slow" else 30000}, **more.pop("Rules", {})}
        more = {"Target": {"FunctionArn": self.alias}, "Candidate": {"FunctionArn": self.version(kind)}, "Rules": rules, **more}
        return self.release.start_dark_run(Name=name, **more)["DarkRun"]

    def event(self, **more):
        self.n += 1
        return json.dumps({"id": f"i{self.n}", **more})

    def invoke(self, n=1, **more):
        for _ in range(n):
            answer = self.lam.invoke(FunctionName="f:live", Payload=self.event(**more))
            body = json.load(answer["Payload"])
            assert "FunctionError" not in answer, body
            assert body["n"] == self.n and body["price"] == 1.234, body

    def until(self, wanted, name="r"):
        for _ in range(600):
            run = self.release.describe_dark_run(Name=name)["DarkRun"]
            if wanted(run["Summary"]):
                return run
            time.sleep(0.05)
        raise AssertionError(run)

    def done(self, n, name="r"):
        return self.until(lambda s: s["Executed"] + sum(s["Shed"].values()) >= n, name)

    def kinds(self, name="r"):
        found = self.release.list_differences(Name=name)["Differences"]
        return {(d["Part"], d["Class"], d["Place"]): d for d in found}

    def check_live(self):
        """What is there is what the primaries did, and nothing else."""
        items = self.db.scan(TableName="prices", ConsistentRead=True)["Items"]
        ids = {item["id"]["S"]: item for item in items}
        assert set(ids) == {"counter"} | {f"i{n + 1}" for n in range(self.n)}
        assert ids["counter"]["n"]["N"] == str(self.n)
        assert all(item["by"]["S"] == "same" for name, item in ids.items() if name != "counter")
        got = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"])
        assert got["Attributes"]["ApproximateNumberOfMessages"] == str(self.n)


@pytest.fixture
def shop(client, account):
    return Shop(client, account)


def test_a_candidate_meets_what_its_primary_met(shop):
    """A counter, a conditional put, a message and a random token: equal code gives no difference."""
    shop.start("same")
    shop.invoke(20)
    summary = shop.done(20)["Summary"]
    assert summary["Seen"] == summary["Sampled"] == 20
    assert summary["Matched"] == summary["Executed"] == 20, shop.kinds()
    assert summary["MatchRate"] == 1 and summary["ExecutedShare"] == 1 and summary["Kinds"] == 0
    assert summary["CandidateLatency"]["P50Ms"] > 0
    shop.check_live()


@pytest.mark.parametrize(
    "kind, part, of_class, place",
    [
        ("order", "Body", "KeyOrder", ""),
        ("null", "Body", "NullForMissing", "/note"),
        ("rounds", "Body", "Rounding", "/price"),
        ("zone", "Body", "TimeZone", "/at"),
        ("throws", "Failure", "Threw", None),
        ("crashes", "Failure", "Crashed", None),
        ("hangs", "Failure", "TimedOut", None),
        ("hogs", "Failure", "OutOfMemory", None),
        ("slow", "Latency", "Slower", None),
        ("writes", "Effect", "Text", "/dynamodb:PutItem(prices)/by"),
        ("twice", "Effect", "DoneTwice", None),
    ],
)
def test_every_divergence_is_found_and_named(shop, kind, part, of_class, place):
    # The first invocation starts a process, which is slow by nature.
    n = 3 if kind == "slow" else 2
    shop.start(kind, Limits={"TimeBudgetMs": 1500 if kind == "hangs" else 20000, "ConcurrencyMax": 1})
    shop.invoke(n)
    summary = shop.done(n)["Summary"]
    assert summary["Executed"] == n, summary
    kinds = shop.kinds()
    found = [key for key in kinds if key[:2] == (part, of_class) and place in (None, key[2])]
    assert found, kinds
    others = [key for key in kinds if key not in found and key[0] != "Effect"]
    assert not others, others
    assert kinds[found[0]]["Count"] == 2
    shop.check_live()


def test_nothing_leads_out_of_the_dark(shop, account):
    """Another key, no key, TLS by name, the address of this machine, the cloud's own routes, the outside."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("10.255.255.255", 1))
        address = s.getsockname()[0]
    shop.start("escapes")
    shop.invoke(1, account=account, address=address)
    run = shop.done(1)
    assert run["Summary"]["Executed"] == 1
    assert run["Summary"]["RefusedHosts"] == ["example.com"]
    kinds = shop.kinds()
    found = next(d for key, d in kinds.items() if key[2] == "/escapes")
    samples = shop.release.describe_difference(Name="r", DifferenceId=found["Id"])["Samples"]
    answers = json.loads(samples[0]["Candidate"])
    # Keys of another account find no table there.
    assert {a.split()[0] for a in answers[:5]} <= {"200", "400"}, answers
    assert answers[0].split()[0] == answers[3].split()[0] == answers[4].split()[0] == "200"
    assert [a.split()[0] for a in answers[5:]] == ["403", "403", "502"], answers
    shop.check_live()


def test_a_difference_is_shown_and_replayed_against_new_code(shop):
    shop.start("rounds", Rules={"Redact": {"Paths": ["/id"]}})
    shop.invoke(3)
    shop.done(3)
    (found,) = shop.kinds().values()
    shown = shop.release.describe_difference(Name="r", DifferenceId=found["Id"])
    assert shown["Difference"]["Count"] == 3 and len(shown["Samples"]) == 3
    sample = shown["Samples"][0]
    assert (sample["Primary"], sample["Candidate"]) == ("1.234", "1.23")
    assert "i1" not in sample["Request"]
    # The item is there by now; the candidate meets what the primary met.
    verdict = shop.release.replay_difference(Name="r", DifferenceId=found["Id"])["Verdict"]
    assert not verdict["Matches"] and [d["Class"] for d in verdict["Differences"]] == ["Rounding"]
    fixed = {"FunctionArn": shop.version("fixed")}
    verdict = shop.release.replay_difference(Name="r", DifferenceId=found["Id"], Candidate=fixed)["Verdict"]
    assert verdict["Matches"], verdict
    shop.check_live()


def test_recorded_traffic_runs_in_the_dark_later(shop):
    shop.start("same", Recording={"PairsMax": 4, "Hours": 1})
    shop.invoke(6)
    shop.done(6)
    release = shop.release
    replayed = release.replay_recording(Name="r", Candidate={"FunctionArn": shop.version("zone")})
    assert replayed["Replayed"] == replayed["Differed"] == 4
    assert [d["Class"] for d in replayed["Differences"]] == ["TimeZone"]
    assert release.replay_recording(Name="r", PairsMax=2)["Matched"] == 2
    shop.check_live()


def test_rules_decide_what_is_a_difference(shop):
    shop.start(
        "zone",
        Rules={"Classes": {"TimeZone": "Ignore"}, "NumericTolerances": [{"Path": "/price", "Absolute": 0.01}]},
    )
    shop.invoke(2)
    assert shop.done(2)["Summary"]["Matched"] == 2
    shop.release.update_dark_run(Name="r", Candidate={"FunctionArn": shop.version("rounds")})
    shop.invoke(2)
    assert shop.done(4)["Summary"]["Matched"] == 4
    shop.release.update_dark_run(Name="r", Rules={"Classes": {"Slower": "Ignore"}})
    shop.invoke(1)
    assert shop.done(5)["Summary"]["Differed"] == 1


def test_a_run_is_paused_resumed_stopped_and_forgotten(shop, error):
    shop.start("same", SampleShare=1.0)
    shop.release.pause_dark_run(Name="r")
    shop.invoke(1)
    assert shop.done(1)["Summary"]["Shed"] == {"paused": 1}
    shop.release.resume_dark_run(Name="r")
    shop.invoke(1)
    assert shop.until(lambda s: s["Executed"] == 1)["Summary"]["Seen"] == 2
    second = {"Target": {"FunctionArn": shop.alias}, "Candidate": {"FunctionArn": shop.alias}}
    code, message = error(shop.release.start_dark_run, Name="other", **second)
    assert code == "ConflictException" and "r watches" in message
    assert shop.release.stop_dark_run(Name="r")["DarkRun"]["State"] == "STOPPED"
    shop.invoke(1)
    time.sleep(0.2)
    assert shop.release.describe_dark_run(Name="r")["DarkRun"]["Summary"]["Seen"] == 2
    assert error(shop.release.resume_dark_run, Name="r")[0] == "ConflictException"
    assert [r["Name"] for r in shop.release.list_dark_runs()["DarkRuns"]] == ["r"]
    shop.release.delete_dark_run(Name="r")
    assert error(shop.release.describe_dark_run, Name="r")[0] == "ResourceNotFoundException"


def test_what_makes_no_sense_is_refused(shop, error):
    start = shop.release.start_dark_run
    good = {"Target": {"FunctionArn": shop.alias}, "Candidate": {"FunctionArn": shop.alias}}
    for change, wanted in [
        ({"Target": {}}, "Target: name either"),
        ({"Target": {"FunctionArn": shop.alias.replace("live", "gone")}}, "Target: "),
        ({"Target": {"ApiId": "a", "Stage": "s"}}, "Target: "),
        ({"Candidate": {"Url": "http://example.com"}}, "events can be given to functions only"),
        ({"Candidate": {"FunctionArn": shop.alias.replace(":f:", ":g:")}}, "Candidate: "),
        ({"Rules": {"IgnoredPaths": ["$.price"]}}, "Rules.IgnoredPaths"),
        ({"Limits": {"WaitingMax": -1}}, "Limits.WaitingMax"),
        ({"Outside": [{"Host": "a*b", "Action": "Allow"}]}, "Outside.Host"),
        ({"SampleShare": 1.5}, "sampleShare"),
    ]:
        code, message = error(start, Name="r", **{**good, **change})
        assert code == "ValidationException" and wanted.lower() in message.lower(), (change, message)
    assert shop.release.list_dark_runs()["DarkRuns"] == []


def test_a_burning_candidate_rests(shop):
    shop.start("crashes", Limits={"ConcurrencyMax": 1})
    shop.invoke(30)
    run = shop.done(30)
    assert run["Summary"]["Executed"] >= 10 and run["Summary"]["Shed"].get("burning", 0) > 0, run
    shop.check_live()


def test_a_queue_of_work_has_a_dark_side(shop):
    work = shop.sqs.create_queue(QueueName="work")["QueueUrl"]
    mapping = shop.lam.create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:us-east-1:{shop.account}:work", FunctionName="f:live", BatchSize=1
    )
    shop.start("rounds", Target={"EventSourceMapping": mapping["UUID"]})
    for _ in range(3):
        shop.sqs.send_message(QueueUrl=work, MessageBody=shop.event())
    assert shop.done(3)["Summary"]["Differed"] == 3
    assert {key[1] for key in shop.kinds()} == {"Rounding"}
    shop.check_live()


def test_a_stream_has_a_dark_side_and_tells_nothing_of_it(shop):
    from dynamodb.test_streams import records, table

    work = table(shop.db, "work")
    changed = shop.db.update_table(TableName="prices", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    mapping = shop.lam.create_event_source_mapping(EventSourceArn=work, FunctionName="f:live", StartingPosition="LATEST", BatchSize=1)
    shop.start("writes", Target={"EventSourceMapping": mapping["UUID"]})
    for n in range(3):
        shop.db.put_item(TableName="work", Item={"pk": {"S": f"k{n}"}, "event": {"S": shop.event()}})
    assert shop.done(3)["Summary"]["Differed"] == 3
    shop.check_live()
    images = [r["dynamodb"]["NewImage"] for r in records(shop.client("dynamodbstreams"), changed["TableDescription"]["LatestStreamArn"])]
    assert sorted(i["id"]["S"] for i in images) == ["counter"] * 3 + ["i1", "i2", "i3"]
    assert {i["by"]["S"] for i in images if "by" in i} == {"same"}


def test_a_route_has_a_dark_side(shop, cloud):
    """Three candidates for an API: a function, another API, an address outside."""
    api = shop.client("apigatewayv2")

    def door(function):
        made = api.create_api(Name="a", ProtocolType="HTTP", Target=function)
        return made["ApiId"]

    def call(api_id, n=2):
        for _ in range(n):
            url = f"{cloud.url}/_aws/execute-api/{api_id}/price?q=1"
            request = urllib.request.Request(url, data=shop.event().encode(), method="POST")
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["price"] == 1.234

    quick = {"Classes": {"Slower": "Ignore"}}
    old = door(shop.alias)
    stage = {"ApiId": old, "Stage": "$default"}
    shop.start("rounds", Target=stage)
    call(old)
    assert shop.done(2)["Summary"]["Differed"] == 2
    assert set(shop.kinds()) == {("Body", "Rounding", "/price")}
    shop.release.delete_dark_run(Name="r")

    new = door(shop.version("zone"))
    shop.release.start_dark_run(Name="api", Target=stage, Candidate={"ApiId": new, "Stage": "$default"}, Rules=quick)
    call(old)
    shop.done(2, "api")
    assert set(shop.kinds("api")) == {("Body", "TimeZone", "/at")}
    shop.release.delete_dark_run(Name="api")

    # What is not GET or HEAD does not go to an address unless it is declared safe.
    elsewhere = {"Url": f"{cloud.url}/_undercast/health"}
    shop.release.start_dark_run(Name="url", Target=stage, Candidate=elsewhere)
    call(old)
    run = shop.done(2, "url")
    assert run["Summary"]["Shed"] == {"unsafe": 2}
    shop.check_live()


ASKED_ONCE = """
let asked = 0;
exports.handler = async () => ({ isAuthorized: ++asked <= 2, context: { asked } });
"""


def test_a_candidate_meets_the_caller_that_its_primary_met(shop, cloud):
    """An authorizer lets two in: the candidates behind them do not ask it again."""
    api = shop.client("apigatewayv2")
    role = f"arn:aws:iam::{shop.account}:role/r"
    decides = shop.lam.create_function(FunctionName="decides", Runtime="nodejs20.x", Role=role, Handler="index.handler", Code={"ZipFile": archive(index__js=ASKED_ONCE)})
    door = api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    to = api.create_integration(ApiId=door, IntegrationType="AWS_PROXY", IntegrationUri=shop.alias, PayloadFormatVersion="2.0")["IntegrationId"]
    authorizer = api.create_authorizer(
        ApiId=door, Name="a", AuthorizerType="REQUEST", AuthorizerUri=decides["FunctionArn"], AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=True, IdentitySource=[]
    )["AuthorizerId"]
    api.create_route(ApiId=door, RouteKey="POST /price", Target=f"integrations/{to}", AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    api.create_stage(ApiId=door, StageName="$default", AutoDeploy=True)
    shop.start("rounds", Target={"ApiId": door, "Stage": "$default"})
    for _ in range(2):
        url = f"{cloud.url}/_aws/execute-api/{door}/price"
        with urllib.request.urlopen(urllib.request.Request(url, data=shop.event().encode(), method="POST")) as answer:
            assert json.load(answer)["price"] == 1.234
    assert shop.done(2)["Summary"]["Differed"] == 2
    assert set(shop.kinds()) == {("Body", "Rounding", "/price")}
    shop.check_live()


class Elsewhere:
    """A server outside of the cloud, under a name that is not the cloud's."""

    def __init__(self, answer, port=0):
        import http.server
        import threading

        self.seen = seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append((self.command, self.path))
                body = json.dumps(answer(self.path)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def test_an_address_can_be_a_candidate(shop, cloud):
    """GET goes there, and its answer is compared; anything else only if it is declared safe."""
    reader = "exports.handler = async (e) => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ path: e.rawPath, q: e.queryStringParameters || {}, price: 1.5 }) });"
    shop.lam.create_function(
        FunctionName="reader", Runtime="nodejs20.x", Role=f"arn:aws:iam::{shop.account}:role/r", Handler="index.handler",
        Code={"ZipFile": archive(index__js=reader)})
    api = shop.client("apigatewayv2").create_api(
        Name="r", ProtocolType="HTTP", Target=f"arn:aws:lambda:us-east-1:{shop.account}:function:reader")["ApiId"]
    elsewhere = Elsewhere(lambda path: {"path": path.split("?")[0].removeprefix("/base"), "q": {"a": "1"}, "price": 1.5 if "same" in path else 1.6})
    stage = {"ApiId": api, "Stage": "$default"}
    quick = {"Classes": {"Slower": "Ignore"}}
    shop.release.start_dark_run(Name="url", Target=stage, Candidate={"Url": f"{elsewhere.url}/base/"}, Rules=quick)
    base = f"{cloud.url}/_aws/execute-api/{api}"
    for path in ("same", "other"):
        urllib.request.urlopen(f"{base}/{path}?a=1").read()
    summary = shop.done(2, "url")["Summary"]
    assert (summary["Matched"], summary["Differed"]) == (1, 1), shop.kinds("url")
    assert set(shop.kinds("url")) == {("Body", "Number", "/price")}
    assert sorted(elsewhere.seen) == [("GET", "/base/other?a=1"), ("GET", "/base/same?a=1")]
    urllib.request.urlopen(f"{base}/same?a=1", data=b"x").read()
    assert shop.done(3, "url")["Summary"]["Shed"] == {"unsafe": 1}
    shop.release.update_dark_run(Name="url", Candidate={"Url": f"{elsewhere.url}/base", "IsSafe": True})
    urllib.request.urlopen(f"{base}/same?a=1", data=b"x").read()
    shop.done(4, "url")
    assert ("POST", "/base/same?a=1") in elsewhere.seen


CALLER = """
const http = require("http");
const get = (host) => new Promise((done) => http.get({ host, path: "/rate" }, (r) => {
  let t = ""; r.on("data", (d) => t += d); r.on("end", () => done(r.statusCode + " " + t)); }).on("error", (e) => done(e.code)));
exports.handler = async () => process.env.KIND ? { rates: [await get("refused.test"), await get("rates.test")] } : { rates: null };
"""


def test_rules_say_what_becomes_of_calls_outside(shop):
    shop.lam.update_function_code(FunctionName="f", ZipFile=archive(index__js=CALLER))
    shop.lam.update_function_configuration(FunctionName="f", Environment={"Variables": {}})
    old = shop.lam.publish_version(FunctionName="f")["Version"]
    shop.lam.update_alias(FunctionName="f", Name="live", FunctionVersion=old)
    answer = {"Host": "rates.test", "Action": "Answer", "Status": 201, "Body": "1.1", "Headers": {"x-from": "rule"}}
    shop.start("calls", Outside=[answer, {"Host": "*", "Action": "Refuse"}])
    shop.lam.invoke(FunctionName="f:live")["Payload"].read()
    run = shop.done(1)
    assert run["Summary"]["RefusedHosts"] == ["refused.test"]
    (found,) = shop.kinds().values()
    sample = shop.release.describe_difference(Name="r", DifferenceId=found["Id"])["Samples"][0]
    rates = json.loads(sample["Candidate"])
    assert rates[0].startswith("502 ") and rates[1] == "201 1.1"


ASKER = """
const http = require("http");
const get = (host, path) => new Promise((done) => http.get({ host, path }, (r) => {
  let t = ""; r.on("data", (d) => t += d); r.on("end", () => done(r.statusCode + " " + t)); }).on("error", (e) => done(e.code)));
exports.handler = async () => [await get("HOST", "/rate?of=eur"), process.env.KIND ? await get("HOST", "/other") : null];
"""


def own_name():
    """A name of this machine that is not one of the cloud's, if it has one that leads here."""
    name = socket.gethostname()
    try:
        return name if socket.gethostbyname(name).startswith("127.") and name != "localhost" else None
    except OSError:
        return None


@pytest.mark.skipif(not own_name(), reason="this machine has no name of its own that leads to it")
def test_a_candidate_hears_what_its_primary_heard_outside(shop):
    count = itertools.count(1)
    try:
        elsewhere = Elsewhere(lambda path: {"path": path, "n": next(count)}, port=80)
    except OSError as error:
        pytest.skip(f"port 80 is not to be had: {error}")
    shop.lam.update_function_code(FunctionName="f", ZipFile=archive(index__js=ASKER.replace("HOST", own_name())))
    shop.lam.update_function_configuration(FunctionName="f", Environment={"Variables": {}})
    old = shop.lam.publish_version(FunctionName="f")["Version"]
    shop.lam.update_alias(FunctionName="f", Name="live", FunctionVersion=old)
    with pytest.raises(shop.release.exceptions.ClientError, match="Repeat takes a host name"):
        shop.start("calls", Outside=[{"Host": "*", "Action": "Repeat"}])
    shop.start("calls", Outside=[{"Host": own_name(), "Action": "Repeat"}])
    primary = json.loads(shop.lam.invoke(FunctionName="f:live")["Payload"].read())
    assert primary[0] == '200 {"path": "/rate?of=eur", "n": 1}', "the primary is answered by the host itself"
    run = shop.done(1)
    # What the primary did not ask for stays unknown, and nobody is asked twice.
    assert run["Summary"]["RefusedHosts"] == [own_name()]
    assert elsewhere.seen == [("GET", "/rate?of=eur")]
    assert set(shop.kinds()) == {("Body", "Null", "/*")}, shop.kinds()
    elsewhere.server.shutdown()
