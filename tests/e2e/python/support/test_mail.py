"""Mail through both versions of SES, and the mailbox it ends in."""

import json
import urllib.error
import urllib.request


def mailbox(cloud, query="", method="GET"):
    request = urllib.request.Request(f"{cloud.url}/_aws/ses{query}", method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["messages"] if method == "GET" else answer.status


def test_the_first_version_sends_for_those_it_knows(cloud, client, error, account):
    ses = client("ses")
    me = f"me@{account}.example.com"
    mail = {
        "Source": f"Me <{me}>",
        "Destination": {"ToAddresses": ["you@example.org"], "CcAddresses": ["they@example.org"]},
        "Message": {"Subject": {"Data": "hi"}, "Body": {"Text": {"Data": "text"}, "Html": {"Data": "<b>html</b>"}}},
    }
    code, message = error(ses.send_email, **mail)
    assert code == "MessageRejected" and "not verified" in message and me in message
    ses.verify_email_identity(EmailAddress=me)
    sent = ses.send_email(**mail)["MessageId"]
    [got] = mailbox(cloud, f"?id={sent}")
    assert (got["Subject"], got["Body"]["text_part"], got["Body"]["html_part"]) == ("hi", "text", "<b>html</b>")
    assert got["Destination"]["ToAddresses"] == ["you@example.org"] and got["Source"] == f"Me <{me}>"
    assert ses.get_send_quota()["SentLast24Hours"] == 1
    assert ses.get_send_statistics()["SendDataPoints"][0]["DeliveryAttempts"] == 1

    raw = f"From: {me}\r\nTo: you@example.org\r\nSubject: raw\r\n\r\nbody"
    ses.send_raw_email(RawMessage={"Data": raw})
    assert [m["Subject"] for m in mailbox(cloud, f"?email={me}")] == ["hi", "raw"]
    assert mailbox(cloud, f"?email={me}")[1]["RawData"] == raw
    assert mailbox(cloud, f"?id={sent}", "DELETE") == 204
    assert [m["Subject"] for m in mailbox(cloud, f"?email={me}")] == ["raw"]

    assert ses.list_identities()["Identities"] == [me]
    assert ses.get_identity_verification_attributes(Identities=[me])["VerificationAttributes"][me]["VerificationStatus"] == "Success"
    assert error(ses.send_email, ConfigurationSetName="none", **mail)[0] == "ConfigurationSetDoesNotExist"
    ses.delete_identity(Identity=me)
    assert error(ses.send_email, **mail)[0] == "MessageRejected"
    ses.verify_domain_identity(Domain="example.com")
    ses.send_email(**mail)


def test_templates_of_the_first_version(cloud, client, error, account):
    ses = client("ses")
    me = f"me@{account}.example.com"
    ses.verify_email_identity(EmailAddress=me)
    template = {"TemplateName": "t", "SubjectPart": "Hi {{name}}", "TextPart": "{{order.id}}"}
    ses.create_template(Template=template)
    assert error(ses.create_template, Template=template)[0] == "AlreadyExists"
    mail = {"Source": me, "Destination": {"ToAddresses": ["you@example.org"]}, "Template": "t"}
    ses.send_templated_email(TemplateData=json.dumps({"name": "Ann", "order": {"id": 7}}), **mail)
    [got] = mailbox(cloud, f"?email={me}")
    assert (got["Subject"], got["Body"]["text_part"], got["Template"]) == ("Hi Ann", "7", "t")
    code, message = error(ses.send_templated_email, TemplateData="{}", **mail)
    assert code == "MessageRejected" and "name" in message
    ses.update_template(Template={**template, "TextPart": "new"})
    assert ses.get_template(TemplateName="t")["Template"]["TextPart"] == "new"
    assert [t["Name"] for t in ses.list_templates()["TemplatesMetadata"]] == ["t"]
    ses.delete_template(TemplateName="t")
    assert error(ses.get_template, TemplateName="t")[0] == "TemplateDoesNotExist"


def test_the_second_version(cloud, client, error, account):
    ses = client("sesv2")
    domain = f"{account}.example.com"
    made = ses.create_email_identity(EmailIdentity=domain)
    assert made["IdentityType"] == "DOMAIN" and len(made["DkimAttributes"]["Tokens"]) == 3
    assert error(ses.create_email_identity, EmailIdentity=domain)[0] == "AlreadyExistsException"
    assert ses.get_email_identity(EmailIdentity=domain)["VerifiedForSendingStatus"]
    assert [i["IdentityName"] for i in ses.list_email_identities()["EmailIdentities"]] == [domain]
    mail = {"FromEmailAddress": f"me@{domain}", "Destination": {"ToAddresses": ["you@example.org"]}}
    simple = {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}}
    sent = ses.send_email(Content=simple, **mail)["MessageId"]
    assert mailbox(cloud, f"?id={sent}")[0]["Body"]["text_part"] == "t"
    ses.create_email_template(TemplateName="t", TemplateContent={"Subject": "Hi {{name}}", "Html": "<p>"})
    ses.send_email(Content={"Template": {"TemplateName": "t", "TemplateData": '{"name": "Bo"}'}}, **mail)
    ses.send_email(Content={"Raw": {"Data": b"Subject: raw\r\n\r\nx"}}, **mail)
    assert [m["Subject"] for m in mailbox(cloud, f"?email=me@{domain}")] == ["s", "Hi Bo", "raw"]
    assert ses.get_account()["SendQuota"]["SentLast24Hours"] == 3
    ses.update_email_template(TemplateName="t", TemplateContent={"Subject": "new"})
    assert ses.get_email_template(TemplateName="t")["TemplateContent"]["Subject"] == "new"
    assert [t["TemplateName"] for t in ses.list_email_templates()["TemplatesMetadata"]] == ["t"]
    ses.delete_email_template(TemplateName="t")
    assert error(ses.get_email_template, TemplateName="t")[0] == "NotFoundException"
    ses.delete_email_identity(EmailIdentity=domain)
    assert error(ses.send_email, Content=simple, **mail)[0] == "MessageRejected"
    assert error(ses.get_email_identity, EmailIdentity=domain)[0] == "NotFoundException"


def test_the_mailbox_is_closed_to_strangers(secure_cloud):
    import ssl

    context = ssl._create_unverified_context()
    try:
        urllib.request.urlopen(f"{secure_cloud.url}/_aws/ses", context=context)
        status = 200
    except urllib.error.HTTPError as refused:
        status = refused.code
    assert status == 403


def test_templates_make_identities_and_templates(client, deploy, account):
    domain = f"{account}.example.com"
    resources = {
        "Identity": {"Type": "AWS::SES::EmailIdentity", "Properties": {"EmailIdentity": domain}},
        "Template": {"Type": "AWS::SES::Template", "Properties": {"Template": {"TemplateName": "t", "SubjectPart": "s"}}},
    }
    outputs = {"Dkim": {"Value": {"Fn::GetAtt": ["Identity", "DkimDNSTokenName1"]}}}
    stack = deploy("s", {"Resources": resources, "Outputs": outputs})
    assert stack["Outputs"][0]["OutputValue"].endswith(f"._domainkey.{domain}")
    resources["Template"]["Properties"]["Template"]["SubjectPart"] = "new"
    deploy("s", {"Resources": resources, "Outputs": outputs}, "UPDATE")
    assert client("ses").get_template(TemplateName="t")["Template"]["SubjectPart"] == "new"
