"""Custom domains: hosts that lead to APIs by the path."""

import pytest

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/1234"


@pytest.fixture
def name(account):
    return f"api.a{account}.test"


@pytest.fixture
def domain(client, name):
    return client("apigatewayv2").create_domain_name(DomainName=name, DomainNameConfigurations=[{"CertificateArn": CERTIFICATE}], Tags={"a": "b"})


def test_paths_under_a_host_lead_to_apis(new_api, function, client, cloud, call, domain, name, error):
    gateway = client("apigatewayv2")
    arn = function()
    orders, rest = new_api(), new_api()
    for api in (orders, rest):
        api.route("ANY /{proxy+}", api.to_function(arn))
    gateway.create_stage(ApiId=rest.id, StageName="prod", AutoDeploy=True)
    get = lambda path: call(f"{cloud.url}{path}", host=name)
    assert get("/x").status == 404, "nothing is mapped yet"
    long = gateway.create_api_mapping(DomainName=name, ApiId=orders.id, Stage="$default", ApiMappingKey="shop/orders")
    gateway.create_api_mapping(DomainName=name, ApiId=rest.id, Stage="prod")
    event = get("/shop/orders/7?a=b").json()
    assert (event["requestContext"]["apiId"], event["pathParameters"], event["rawPath"]) == (orders.id, {"proxy": "7"}, "/shop/orders/7")
    assert (event["requestContext"]["domainName"], event["requestContext"]["domainPrefix"]) == (name, "api")
    event = get("/shop/ordersx").json()
    assert (event["requestContext"]["apiId"], event["requestContext"]["stage"], event["rawPath"]) == (rest.id, "prod", "/shop/ordersx")
    assert event["headers"]["host"] == name
    # The API's own endpoint may be closed.
    gateway.update_api(ApiId=orders.id, DisableExecuteApiEndpoint=True)
    assert call(f"{orders.url}/x").status == 404 and get("/shop/orders/7").status == 200
    gateway.update_api_mapping(DomainName=name, ApiMappingId=long["ApiMappingId"], ApiId=orders.id, ApiMappingKey="new")
    assert get("/new/7").json()["requestContext"]["apiId"] == orders.id
    assert get("/shop/orders/7").json()["requestContext"]["apiId"] == rest.id
    assert gateway.get_api_mapping(DomainName=name, ApiMappingId=long["ApiMappingId"])["ApiMappingKey"] == "new"
    assert {m["ApiMappingKey"] for m in gateway.get_api_mappings(DomainName=name)["Items"]} == {"", "new"}
    assert error(gateway.create_api_mapping, DomainName=name, ApiId=rest.id, Stage="prod", ApiMappingKey="new")[0] == "ConflictException"
    assert error(gateway.create_api_mapping, DomainName=name, ApiId=rest.id, Stage="none", ApiMappingKey="y")[0] == "NotFoundException"
    assert error(gateway.create_api_mapping, DomainName=name, ApiId=rest.id, Stage="prod", ApiMappingKey="/y")[0] == "BadRequestException"
    gateway.delete_api_mapping(DomainName=name, ApiMappingId=long["ApiMappingId"])
    assert get("/new/7").json()["requestContext"]["apiId"] == rest.id
    gateway.delete_domain_name(DomainName=name)
    assert error(gateway.get_domain_name, DomainName=name)[0] == "NotFoundException"


def test_domain_names_are_kept(client, domain, name, error):
    gateway = client("apigatewayv2")
    configuration = domain["DomainNameConfigurations"][0]
    assert (configuration["CertificateArn"], configuration["EndpointType"], configuration["DomainNameStatus"]) == (CERTIFICATE, "REGIONAL", "AVAILABLE")
    assert configuration["ApiGatewayDomainName"].startswith("d-") and configuration["HostedZoneId"] and configuration["SecurityPolicy"] == "TLS_1_2"
    assert gateway.get_tags(ResourceArn=domain["DomainNameArn"])["Tags"] == {"a": "b"}
    gateway.tag_resource(ResourceArn=domain["DomainNameArn"], Tags={"c": "d"})
    other = CERTIFICATE + "5"
    changed = gateway.update_domain_name(DomainName=name, DomainNameConfigurations=[{"CertificateArn": other}])
    assert changed["DomainNameConfigurations"][0] == {**configuration, "CertificateArn": other}
    assert gateway.get_domain_name(DomainName=name)["Tags"] == {"a": "b", "c": "d"}
    assert [d["DomainName"] for d in gateway.get_domain_names()["Items"]] == [name]


def test_hosts_that_cannot_be_taken(client, cloud, domain, name, error):
    gateway = client("apigatewayv2", account="111122223333") if False else client("apigatewayv2")
    make = lambda name, **more: error(gateway.create_domain_name, DomainName=name, DomainNameConfigurations=[{"CertificateArn": CERTIFICATE, **more}])
    assert make(name)[0] == "BadRequestException", "it is taken"
    for host in ("localhost", "127.0.0.1", "s3.localhost", "*.localhost", "x.amazonaws.com", "a b.test", "-a.test", "single"):
        assert make(host)[0] == "BadRequestException", host
    assert make("b.test", CertificateArn="nonsense")[0] == "BadRequestException"
    assert make("b.test", EndpointType="EDGE")[0] == "BadRequestException"
    code, message = error(gateway.create_domain_name, DomainName="b.test", DomainNameConfigurations=[{"CertificateArn": CERTIFICATE}], MutualTlsAuthentication={"TruststoreUri": "s3://b/k"})
    assert code == "NotImplemented" and "mutual TLS" in message


def test_wildcards_stand_for_every_name_below(new_api, function, client, cloud, call, account):
    gateway = client("apigatewayv2")
    gateway.create_domain_name(DomainName=f"*.w{account}.test", DomainNameConfigurations=[{"CertificateArn": CERTIFICATE}])
    api = new_api()
    api.route("$default", api.to_function(function()))
    gateway.create_api_mapping(DomainName=f"*.w{account}.test", ApiId=api.id, Stage="$default")
    event = call(f"{cloud.url}/a", host=f"tenant.w{account}.test").json()
    assert event["requestContext"]["domainPrefix"] == "tenant"


def test_a_host_leads_to_its_api_after_a_crash(new_cloud, call):
    cloud = new_cloud().start()
    gateway = cloud.client("apigatewayv2")
    gateway.create_domain_name(DomainName="api.crash.test", DomainNameConfigurations=[{"CertificateArn": CERTIFICATE}])
    api = gateway.create_api(Name="a", ProtocolType="HTTP", Target="http://127.0.0.1:9/")["ApiId"]
    gateway.create_api_mapping(DomainName="api.crash.test", ApiId=api, Stage="$default")
    cloud.kill()
    cloud.start()
    assert call(f"{cloud.url}/x", host="api.crash.test").status == 503
