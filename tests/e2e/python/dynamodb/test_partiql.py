"""PartiQL through boto3."""

import pytest


@pytest.fixture
def dynamodb(client):
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in (("Artist", "S"), ("Song", "S"), ("Year", "N"))],
        KeySchema=[{"AttributeName": "Artist", "KeyType": "HASH"}, {"AttributeName": "Song", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[{"IndexName": "by-year", "KeySchema": [{"AttributeName": "Year", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


@pytest.fixture
def run(dynamodb):
    """Items that a statement answers, as plain texts and numbers."""

    def call(statement, *parameters, **more):
        if parameters:
            more["Parameters"] = list(parameters)
        return dynamodb.execute_statement(Statement=statement, **more)

    return call


@pytest.fixture
def library(run):
    for artist, songs in {"Acme": ["a", "b", "c"], "Band": ["a", "x"]}.items():
        for n, song in enumerate(songs):
            run(f"INSERT INTO Music VALUE {{'Artist': '{artist}', 'Song': '{song}', 'Year': {2000 + n}, 'tags': <<'t{n}', 'all'>>, 'm': {{'n': {n}}}}}")


def songs(answer):
    return [i["Artist"]["S"][0] + i["Song"]["S"] for i in answer["Items"]]


def test_selects_by_keys_filters_and_order(run, library):
    assert songs(run("SELECT * FROM Music WHERE Artist = 'Acme'")) == ["Aa", "Ab", "Ac"]
    assert songs(run("SELECT * FROM \"Music\" WHERE \"Artist\" = ? AND Song > ?", {"S": "Acme"}, {"S": "a"})) == ["Ab", "Ac"]
    assert songs(run("SELECT * FROM Music WHERE Artist = 'Acme' AND Song BETWEEN 'b' AND 'c' ORDER BY Song DESC")) == ["Ac", "Ab"]
    assert songs(run("SELECT * FROM Music WHERE Artist IN ['Band', 'Acme'] AND begins_with(Song, 'a')")) == ["Ba", "Aa"]
    assert songs(run("SELECT * FROM Music WHERE Artist = 'Acme' AND (m.n = 0 OR m.n = 2)")) == ["Aa", "Ac"]
    assert sorted(songs(run("SELECT * FROM Music WHERE contains(tags, 't1')"))) == ["Ab", "Bx"]
    assert sorted(songs(run("SELECT * FROM Music WHERE size(Song) = 1 AND attribute_type(m, 'M') AND gone IS MISSING AND Song IN ('a')"))) == ["Aa", "Ba"]
    assert len(run("SELECT * FROM Music")["Items"]) == 5
    got = run("SELECT Song, m.n FROM Music WHERE Artist = 'Acme' AND Song = 'b'")["Items"]
    assert got == [{"Song": {"S": "b"}, "m": {"M": {"n": {"N": "1"}}}}]
    assert sorted(songs(run('SELECT * FROM "Music"."by-year" WHERE "Year" = 2001'))) == ["Ab", "Bx"]
    assert songs(run("SELECT * FROM Music WHERE Artist = 'Nobody'")) == []


def test_pages_go_on_where_they_ended(run, library, error, dynamodb):
    for statement in ("SELECT * FROM Music", "SELECT * FROM Music WHERE Artist IN ['Acme', 'Band']"):
        found, token = [], {}
        while True:
            page = run(statement, Limit=2, **token)
            found += songs(page)
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert sorted(found) == ["Aa", "Ab", "Ac", "Ba", "Bx"]
    page = run("SELECT * FROM Music", Limit=2)
    assert set(page["LastEvaluatedKey"]) == {"Artist", "Song"}
    code, _ = error(dynamodb.execute_statement, Statement="SELECT * FROM Music WHERE Artist = 'Acme'", NextToken=page["NextToken"])
    assert code == "ValidationException"


def test_insert_update_and_delete_one_item(run, library, dynamodb, error):
    where = "WHERE Artist = 'Acme' AND Song = 'a'"
    assert run("INSERT INTO Music VALUE {'Artist': ?, 'Song': 'new', 'l': [1, true, null]}", {"S": "it's"})["Items"] == []
    got = dynamodb.get_item(TableName="Music", Key={"Artist": {"S": "it's"}, "Song": {"S": "new"}})["Item"]
    assert got["l"] == {"L": [{"N": "1"}, {"BOOL": True}, {"NULL": True}]}
    assert run("SELECT * FROM Music WHERE Artist = 'it''s'")["Items"] == [got]
    update = run(f"UPDATE Music SET \"Year\" = \"Year\" + 5, m.x = ?, tags = set_delete(tags, <<'t0'>>) REMOVE m.n {where} RETURNING MODIFIED NEW *", {"S": "y"})
    assert update["Items"] == [{"Year": {"N": "2005"}, "m": {"M": {"x": {"S": "y"}}}, "tags": {"SS": ["all"]}}]
    update = run(f"UPDATE Music SET l = ['a'] {where} RETURNING ALL OLD *")
    assert "l" not in update["Items"][0] and update["Items"][0]["Year"] == {"N": "2005"}
    update = run(f"UPDATE Music SET l = list_append(l, ['b']) {where} RETURNING ALL NEW *")
    assert update["Items"][0]["l"] == {"L": [{"S": "a"}, {"S": "b"}]}
    assert run(f"UPDATE Music SET l = 1 {where} AND \"Year\" = 2005")["Items"] == []
    call = dynamodb.execute_statement
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    assert error(call, Statement=f"UPDATE Music SET l = 2 {where} AND \"Year\" = 1") == failed
    assert error(call, Statement="UPDATE Music SET l = 2 WHERE Artist = 'Acme' AND Song = 'none'") == failed
    assert error(call, Statement=f"DELETE FROM Music {where} AND \"Year\" = 1") == failed
    assert run("DELETE FROM Music WHERE Artist = 'Acme' AND Song = 'none' AND x = 1")["Items"] == []
    deleted = run(f"DELETE FROM Music {where} RETURNING ALL OLD *")
    assert deleted["Items"][0]["l"] == {"N": "1"}
    assert songs(run("SELECT * FROM Music WHERE Artist = 'Acme'")) == ["Ab", "Ac"]


def test_what_is_wrong_is_said_and_changes_nothing(run, library, dynamodb, error, client):
    def fails(statement, **more):
        return error(dynamodb.execute_statement, Statement=statement, **more)

    invalid = "ValidationException"
    malformed = "Statement wasn't well formed, can't be processed: "
    assert fails("Music") == (invalid, malformed + "Expected data manipulation")
    assert fails("SELECT * FROM Music LIMIT 1") == (invalid, malformed + "Unexpected term")
    assert fails("SELECT * FROM Music WHERE Artist = ?") == (invalid, "Number of parameters in request and statement don't match.")
    keys = (invalid, "Where clause does not contain a mandatory equality on all key attributes")
    assert fails("UPDATE Music SET a = 1 WHERE Artist = 'Acme'") == keys
    assert fails("DELETE FROM Music WHERE Song = 'a'") == keys
    assert fails("INSERT INTO Music VALUE {'Artist': 'Acme', 'Song': 'a'}") == ("DuplicateItemException", "Duplicate primary key exists in table")
    assert fails("INSERT INTO Music VALUE {'Artist': 'Acme'}")[0] == invalid
    assert fails("INSERT INTO Music VALUE {'Artist': 'Acme', 'Song': 5}")[0] == invalid
    assert fails("SELECT * FROM Gone") == ("ResourceNotFoundException", "Requested resource not found")
    assert fails("SELECT * FROM Music ORDER BY Song")[1] == "Must have WHERE clause in the statement when using ORDER BY clause."
    assert fails("SELECT * FROM Music WHERE Song = 'a' ORDER BY Song")[0] == invalid
    assert fails("SELECT * FROM Music WHERE Artist = 'Acme' ORDER BY x")[1] == "Variable reference x in ORDER BY clause must be part of the primary key"
    assert fails("SELECT * FROM Music WHERE Artist = 5")[0] == invalid
    assert fails("UPDATE Music SET Song = 'z' WHERE Artist = 'Acme' AND Song = 'a'")[0] == invalid
    assert fails("EXISTS (SELECT * FROM Music WHERE Artist = 'Acme' AND Song = 'a')")[0] == invalid
    # AWS, recorded 08-10-2025.
    unchecked = client("dynamodb", config={"parameter_validation": False})
    assert error(unchecked.execute_statement, Statement="SELECT * FROM Music", Parameters=[]) == (
        invalid,
        "1 validation error detected: Value '[]' at 'parameters' failed to satisfy constraint: Member must have length greater than or equal to 1",
    )
    assert len(run("SELECT * FROM Music")["Items"]) == 5


def test_a_batch_executes_each_statement_by_itself(dynamodb, library, error):
    batch = dynamodb.batch_execute_statement
    answer = batch(
        Statements=[
            {"Statement": "INSERT INTO Music VALUE {'Artist': ?, 'Song': 'n'}", "Parameters": [{"S": "New"}]},
            {"Statement": "INSERT INTO Music VALUE {'Artist': 'Acme', 'Song': 'a'}"},
            {"Statement": "UPDATE Music SET x = 1 WHERE Artist = 'Acme' AND Song = 'none'"},
            {"Statement": "DELETE FROM Music WHERE Artist = 'Acme' AND Song = 'a'"},
            {"Statement": "nonsense"},
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    codes = [r.get("Error", {}).get("Code") for r in answer["Responses"]]
    assert codes == [None, "DuplicateItem", "ConditionalCheckFailed", None, "ValidationError"]
    assert answer["Responses"][0] == {"TableName": "Music"}
    assert answer["ConsumedCapacity"][0]["TableName"] == "Music"
    answer = batch(
        Statements=[
            {"Statement": "SELECT * FROM Music WHERE Artist = 'New' AND Song = 'n'"},
            {"Statement": "SELECT * FROM Music WHERE Artist = 'Acme' AND Song = 'a'"},
            {"Statement": "SELECT * FROM Music WHERE Artist = 'Acme'"},
        ]
    )["Responses"]
    assert answer[0]["Item"] == {"Artist": {"S": "New"}, "Song": {"S": "n"}}
    assert answer[1] == {"TableName": "Music"}
    assert answer[2]["Error"] == {"Code": "ValidationError", "Message": "Select statements within BatchExecuteStatement must specify the primary key in the where clause."}
    mixed = [{"Statement": "SELECT * FROM Music WHERE Artist = 'a' AND Song = 'b'"}, {"Statement": "DELETE FROM Music WHERE Artist = 'a' AND Song = 'b'"}]
    assert error(batch, Statements=mixed)[0] == "ValidationException"


def test_a_transaction_does_all_or_nothing(dynamodb, run, library, error):
    transact = dynamodb.execute_transaction
    insert = {"Statement": "INSERT INTO Music VALUE {'Artist': 'T', 'Song': ?}", "Parameters": [{"S": "1"}]}
    exists = {"Statement": "EXISTS(SELECT * FROM Music WHERE Artist = 'Acme' AND Song = 'a' AND m.n = ?)", "Parameters": [{"N": "0"}]}
    wrong = {**exists, "Parameters": [{"N": "9"}]}
    duplicate = {"Statement": "INSERT INTO Music VALUE {'Artist': 'Acme', 'Song': 'b'}"}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        transact(TransactStatements=[insert, duplicate, wrong])
    assert [r["Code"] for r in caught.value.response["CancellationReasons"]] == ["None", "DuplicateItem", "ConditionalCheckFailed"]
    assert run("SELECT * FROM Music WHERE Artist = 'T'")["Items"] == []
    for _ in range(2):
        transact(TransactStatements=[insert, exists], ClientRequestToken="once")
    assert songs(run("SELECT * FROM Music WHERE Artist = 'T'")) == ["T1"]
    assert error(transact, TransactStatements=[insert], ClientRequestToken="once")[0] == "IdempotentParameterMismatchException"
    reads = [{"Statement": f"SELECT Song FROM Music WHERE Artist = 'Acme' AND Song = '{s}'"} for s in ("a", "none")]
    assert transact(TransactStatements=reads)["Responses"] == [{"Item": {"Song": {"S": "a"}}}, {}]
    assert error(transact, TransactStatements=[reads[0], insert])[0] == "ValidationException"


def test_writes_of_statements_are_in_the_stream(client, dynamodb, run):
    made = dynamodb.update_table(TableName="Music", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    run("INSERT INTO Music VALUE {'Artist': 'a', 'Song': 'b'}")
    run("UPDATE Music SET x = 1 WHERE Artist = 'a' AND Song = 'b'")
    run("DELETE FROM Music WHERE Artist = 'a' AND Song = 'b'")
    from dynamodb.test_streams import records

    got = records(client("dynamodbstreams"), made["TableDescription"]["LatestStreamArn"])
    assert [r["eventName"] for r in got] == ["INSERT", "MODIFY", "REMOVE"]


def test_policies_decide_by_statement_and_key(secure_cloud, error):
    import json

    iam, root = secure_cloud.client("iam"), secure_cloud.client("dynamodb")
    root.create_table(TableName="notes", AttributeDefinitions=[{"AttributeName": "owner", "AttributeType": "S"}], KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST")
    for owner in ("ann", "bob"):
        root.execute_statement(Statement=f"INSERT INTO notes VALUE {{'owner': '{owner}'}}")
    iam.create_user(UserName="ann")
    table = "arn:aws:dynamodb:us-east-1:000000000000:table/notes"
    own = {"Effect": "Allow", "Action": ["dynamodb:PartiQLSelect", "dynamodb:PartiQLUpdate"], "Resource": table, "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ann"]}}}
    scans = {"Effect": "Deny", "Action": "dynamodb:PartiQLSelect", "Resource": table, "Condition": {"Bool": {"dynamodb:FullTableScan": ["true"]}}}
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [own, scans]}))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    ann = secure_cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert len(ann.execute_statement(Statement="SELECT * FROM notes WHERE owner = 'ann'")["Items"]) == 1
    ann.execute_statement(Statement="UPDATE notes SET x = 1 WHERE owner = 'ann'")
    for refused in (
        "SELECT * FROM notes WHERE owner = 'bob'",
        "SELECT * FROM notes WHERE owner IN ['ann', 'bob']",
        "SELECT * FROM notes",
        "SELECT * FROM notes WHERE x = 1",
        "UPDATE notes SET x = 1 WHERE owner = 'bob'",
        "DELETE FROM notes WHERE owner = 'ann'",
        "INSERT INTO notes VALUE {'owner': 'ann'}",
    ):
        assert error(ann.execute_statement, Statement=refused)[0] == "AccessDeniedException", refused
    code, _ = error(ann.execute_transaction, TransactStatements=[{"Statement": "UPDATE notes SET x = 1 WHERE owner = 'bob'"}])
    assert code == "AccessDeniedException"
