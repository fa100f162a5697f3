"""Buckets as websites."""

import http.client

import pytest


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def site(cloud, s3, account):
    """Makes a site; answers what asks it by its host."""
    bucket = f"site-{account}"
    s3.create_bucket(Bucket=bucket)

    def make(**configuration):
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)

    def ask(path, method="GET", **headers):
        connection = http.client.HTTPConnection(cloud.url.removeprefix("http://"))
        host = f"{bucket}.s3-website-us-east-1.amazonaws.com"
        connection.request(method, path, headers={"Host": host, **headers})
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        return answer

    def put(key, text, **more):
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), **more)

    make.ask, make.put, make.bucket = ask, put, bucket
    return make


def test_pages_indexes_and_errors(site, cloud):
    assert "NoSuchWebsiteConfiguration" in site.ask("/").text
    site(IndexDocument={"Suffix": "index.html"}, ErrorDocument={"Key": "wrong.html"})
    site.put("index.html", "home", ContentType="text/html", CacheControl="max-age=5", Metadata={"a": "b"})
    site.put("docs/index.html", "docs")
    home = site.ask("/")
    assert (home.status, home.text, home.getheader("content-type")) == (200, "home", "text/html")
    assert (home.getheader("cache-control"), home.getheader("x-amz-meta-a")) == ("max-age=5", "b")
    assert site.ask("/docs/").text == "docs"
    there = site.ask("/docs")
    assert (there.status, there.getheader("location")) == (302, "/docs/")
    missing = site.ask("/nothing")
    assert missing.status == 404 and "<li>Code: NoSuchKey</li>" in missing.text
    site.put("wrong.html", "oh no", ContentType="text/html")
    missing = site.ask("/nothing")
    assert (missing.status, missing.text) == (404, "oh no")
    assert site.ask("/", "HEAD").status == 200 and site.ask("/", "HEAD").text == ""
    assert site.ask("/", "POST").status == 405
    assert site.ask("/", **{"If-None-Match": home.getheader("etag")}).status == 304
    part = site.ask("/", Range="bytes=1-2")
    assert (part.status, part.text) == (206, "om")
    connection = http.client.HTTPConnection(cloud.url.removeprefix("http://"))
    connection.request("GET", f"/_aws/s3-website/{site.bucket}/docs")
    answer = connection.getresponse()
    assert answer.getheader("location") == f"/_aws/s3-website/{site.bucket}/docs/"


def test_redirects(site, s3):
    site.put("old.html", "", WebsiteRedirectLocation="/new.html")
    rules = [
        {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "app/"},
            "Redirect": {"HostName": "example.com", "Protocol": "https", "HttpRedirectCode": "302", "ReplaceKeyWith": "x"},
        },
    ]
    site(IndexDocument={"Suffix": "index.html"}, RoutingRules=rules)
    assert s3.get_bucket_website(Bucket=site.bucket)["RoutingRules"] == rules
    old = site.ask("/old.html")
    assert (old.status, old.getheader("location")) == (301, "/new.html")
    docs = site.ask("/docs/a")
    host = f"{site.bucket}.s3-website-us-east-1.amazonaws.com"
    assert (docs.status, docs.getheader("location")) == (301, f"http://{host}/documents/a")
    app = site.ask("/app/a")
    assert (app.status, app.getheader("location")) == (302, "https://example.com/x")
    site.put("app/a", "there")
    assert site.ask("/app/a").text == "there"
    site(RedirectAllRequestsTo={"HostName": "example.com", "Protocol": "https"})
    everything = site.ask("/a/b?c=d")
    assert (everything.status, everything.getheader("location")) == (301, "https://example.com/a/b?c=d")


def test_what_is_wrong_is_refused(site, s3, error):
    def refused(**configuration):
        return error(s3.put_bucket_website, Bucket=site.bucket, WebsiteConfiguration=configuration)[0]

    index = {"Suffix": "index.html"}
    assert refused(ErrorDocument={"Key": "e"}) == "InvalidArgument"
    assert refused(IndexDocument={"Suffix": "a/b"}) == "InvalidArgument"
    assert refused(IndexDocument=index, RedirectAllRequestsTo={"HostName": "h"}) == "InvalidArgument"
    both = {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}
    assert refused(IndexDocument=index, RoutingRules=[{"Redirect": both}]) == "InvalidRequest"
    assert refused(IndexDocument=index, RoutingRules=[{"Redirect": {"HttpRedirectCode": "200"}}]) == "InvalidRequest"
    site(IndexDocument=index)
    s3.delete_bucket_website(Bucket=site.bucket)
    assert error(s3.get_bucket_website, Bucket=site.bucket)[0] == "NoSuchWebsiteConfiguration"


TEMPLATE = """
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: BUCKET
      WebsiteConfiguration:
        IndexDocument: index.html
        ErrorDocument: error.html
        RoutingRules:
          - RoutingRuleCondition: {HttpErrorCodeReturnedEquals: 404}
            RedirectRule: {ReplaceKeyWith: index.html, HttpRedirectCode: 302}
"""


def test_a_template_makes_a_site(deploy, s3, account):
    bucket = f"made-{account}"
    stack = deploy("site", TEMPLATE.replace("BUCKET", bucket))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    made = s3.get_bucket_website(Bucket=bucket)
    assert made["IndexDocument"] == {"Suffix": "index.html"} and made["ErrorDocument"] == {"Key": "error.html"}
    assert made["RoutingRules"][0]["Redirect"] == {"ReplaceKeyWith": "index.html", "HttpRedirectCode": "302"}
