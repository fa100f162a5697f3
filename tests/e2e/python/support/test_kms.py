"""Keys at work, through boto3."""

import hashlib
import json

import pytest


def test_encryption_carries_its_key_and_context(client, error):
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]
    other = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/e", TargetKeyId=key["KeyId"])
    made = kms.encrypt(KeyId="alias/e", Plaintext=b"secret", EncryptionContext={"a": "1"})
    assert made["KeyId"] == key["Arn"] and b"secret" not in made["CiphertextBlob"]
    blob = made["CiphertextBlob"]
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1"})
    assert opened["Plaintext"] == b"secret" and opened["KeyId"] == key["Arn"]
    assert error(kms.decrypt, CiphertextBlob=blob)[0] == "InvalidCiphertextException"
    assert error(kms.decrypt, CiphertextBlob=b"nonsense")[0] == "InvalidCiphertextException"
    refused = error(kms.decrypt, CiphertextBlob=blob, KeyId=other["KeyId"], EncryptionContext={"a": "1"})
    assert refused[0] == "IncorrectKeyException"

    moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext={"a": "1"}, DestinationKeyId=other["KeyId"])
    assert moved["SourceKeyId"] == key["Arn"] and moved["KeyId"] == other["Arn"]
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == b"secret"

    assert error(kms.encrypt, KeyId="alias/e", Plaintext=b"x", DryRun=True)[0] == "DryRunOperationException"
    kms.disable_key(KeyId=key["KeyId"])
    code, message = error(kms.decrypt, CiphertextBlob=blob, EncryptionContext={"a": "1"})
    assert code == "DisabledException" and message == f"{key['Arn']} is disabled."
    kms.enable_key(KeyId=key["KeyId"])
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    code, message = error(kms.decrypt, CiphertextBlob=blob, EncryptionContext={"a": "1"})
    assert code == "KMSInvalidStateException" and message == f"{key['Arn']} is pending deletion."


def test_data_keys(client, error):
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert len(made["Plaintext"]) == 32
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    sealed = kms.generate_data_key_without_plaintext(KeyId=key, NumberOfBytes=20)
    assert "Plaintext" not in sealed and len(kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"]) == 20
    assert error(kms.generate_data_key, KeyId=key)[0] == "ValidationException"
    pair = kms.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    assert kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"] == pair["PrivateKeyPlaintext"]
    assert pair["PublicKey"]
    assert "PrivateKeyPlaintext" not in kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec="ECC_NIST_P384")
    assert len(kms.generate_random(NumberOfBytes=33)["Plaintext"]) == 33


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "RSA_2048"])
def test_signatures(client, error, spec):
    kms = client("kms")
    key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert kms.get_public_key(KeyId=key["KeyId"])["SigningAlgorithms"] == key["SigningAlgorithms"]
    for algorithm in key["SigningAlgorithms"]:
        at = {"KeyId": key["KeyId"], "SigningAlgorithm": algorithm}
        signature = kms.sign(Message=b"m", **at)["Signature"]
        digest = hashlib.new("sha" + algorithm[-3:], b"m").digest()
        assert kms.verify(Message=digest, MessageType="DIGEST", Signature=signature, **at)["SignatureValid"]
        assert error(kms.verify, Message=b"n", Signature=signature, **at)[0] == "KMSInvalidSignatureException"
        assert error(kms.sign, Message=b"n", MessageType="DIGEST", **at)[0] == "ValidationException"
    code, message = error(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x")
    assert code == "InvalidKeyUsageException" and "SIGN_VERIFY" in message
    assert error(kms.enable_key_rotation, KeyId=key["KeyId"])[0] == "UnsupportedOperationException"


def test_rsa_encrypts_and_hmac_keys_make_codes(client, error):
    kms = client("kms")
    assert error(kms.create_key, KeySpec="RSA_2048")[0] == "ValidationException"
    assert error(kms.create_key, KeySpec="HMAC_256", KeyUsage="SIGN_VERIFY")[0] == "ValidationException"
    rsa = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    for algorithm in ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]:
        at = {"KeyId": rsa, "EncryptionAlgorithm": algorithm}
        blob = kms.encrypt(Plaintext=b"text", **at)["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob, **at)["Plaintext"] == b"text"
        assert error(kms.encrypt, Plaintext=b"x" * 300, **at)[0] == "ValidationException"
    for size in ["224", "256", "384", "512"]:
        key = kms.create_key(KeySpec=f"HMAC_{size}", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
        at = {"KeyId": key, "MacAlgorithm": f"HMAC_SHA_{size}"}
        mac = kms.generate_mac(Message=b"m", **at)["Mac"]
        assert len(mac) == int(size) // 8
        assert kms.verify_mac(Message=b"m", Mac=mac, **at)["MacValid"]
        assert error(kms.verify_mac, Message=b"n", Mac=mac, **at)[0] == "KMSInvalidMacException"


def test_old_material_still_decrypts(client, error):
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    before = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=key)
    after = kms.encrypt(KeyId=key, Plaintext=b"new")["CiphertextBlob"]
    one, two = kms.decrypt(CiphertextBlob=before), kms.decrypt(CiphertextBlob=after)
    assert (one["Plaintext"], two["Plaintext"]) == (b"old", b"new") and one["KeyMaterialId"] != two["KeyMaterialId"]
    assert [r["RotationType"] for r in kms.list_key_rotations(KeyId=key)["Rotations"]] == ["ON_DEMAND"]
    assert len(kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]) == 2
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    assert kms.get_key_rotation_status(KeyId=key)["NextRotationDate"]
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]


def test_grants(client, error, account):
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    role = f"arn:aws:iam::{account}:role/r"
    made = kms.create_grant(KeyId=key, GranteePrincipal=role, RetiringPrincipal=role, Operations=["Decrypt"], Name="g")
    again = kms.create_grant(KeyId=key, GranteePrincipal=role, RetiringPrincipal=role, Operations=["Decrypt"], Name="g")
    assert made["GrantId"] == again["GrantId"]
    second = kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    assert {g["GrantId"] for g in kms.list_grants(KeyId=key)["Grants"]} == {made["GrantId"], second["GrantId"]}
    assert [g["Name"] for g in kms.list_retirable_grants(RetiringPrincipal=role)["Grants"]] == ["g"]
    page = kms.list_grants(KeyId=key, Limit=1)
    assert page["Truncated"] and len(kms.list_grants(KeyId=key, Marker=page["NextMarker"])["Grants"]) == 1
    kms.retire_grant(GrantToken=made["GrantToken"])
    kms.revoke_grant(KeyId=key, GrantId=second["GrantId"])
    assert kms.list_grants(KeyId=key)["Grants"] == []
    assert error(kms.revoke_grant, KeyId=key, GrantId=second["GrantId"])[0] == "NotFoundException"


def test_managed_keys_are_made_when_they_are_asked_for(client, error):
    kms = client("kms")
    blob = kms.encrypt(KeyId="alias/aws/ssm", Plaintext=b"x")["CiphertextBlob"]
    key = kms.describe_key(KeyId="alias/aws/ssm")["KeyMetadata"]
    assert key["KeyManager"] == "AWS" and kms.decrypt(CiphertextBlob=blob)["KeyId"] == key["Arn"]
    assert error(kms.disable_key, KeyId=key["KeyId"])[0] == "AccessDeniedException"
    assert error(kms.describe_key, KeyId="alias/aws/none")[0] == "NotFoundException"


def test_policies_name_keys_whatever_the_caller_calls_them(secure_cloud, error):
    iam, kms = secure_cloud.client("iam"), secure_cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key["KeyId"])
    iam.create_user(UserName="u")
    made = iam.create_access_key(UserName="u")["AccessKey"]
    user = secure_cloud.client("kms", key=made["AccessKeyId"], secret=made["SecretAccessKey"])
    for name in ["alias/mine", key["KeyId"], "alias/aws/ssm", "alias/none"]:
        assert error(user.encrypt, KeyId=name, Plaintext=b"x")[0] == "AccessDeniedException"
    statement = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": key["Arn"]}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    blob = user.encrypt(KeyId="alias/mine", Plaintext=b"x")["CiphertextBlob"]
    assert error(user.decrypt, CiphertextBlob=blob)[0] == "AccessDeniedException"
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
