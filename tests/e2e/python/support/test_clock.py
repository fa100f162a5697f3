"""What keys and secrets do when their time has come, on a clock that is moved, across a kill."""

import time

from test_cli import run


def until(done, seconds=30):
    deadline = time.monotonic() + seconds
    while not (got := done()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return got


def test_keys_rotate_and_go_and_secrets_go(new_cloud, error):
    own = new_cloud().start()
    kms, secrets = own.client("kms"), own.client("secretsmanager")
    key, doomed = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    before = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    lost = kms.encrypt(KeyId=doomed, Plaintext=b"old")["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    secrets.create_secret(Name="s", SecretString="x")
    secrets.delete_secret(SecretId="s", RecoveryWindowInDays=7)
    secrets.create_secret(Name="kept", SecretString="y")
    own.kill()
    own.start()
    run(own, "time", "advance", "8d")
    kms, secrets = own.client("kms"), own.client("secretsmanager")
    until(lambda: len(kms.list_keys()["Keys"]) == 1)
    assert error(kms.decrypt, CiphertextBlob=lost)[0] == "AccessDeniedException"
    until(lambda: len(secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]) == 1)
    secrets.create_secret(Name="s", SecretString="new")
    assert kms.list_key_rotations(KeyId=key)["Rotations"] == []
    run(own, "time", "advance", "83d")
    kms, secrets = own.client("kms"), own.client("secretsmanager")
    until(lambda: [r["RotationType"] for r in kms.list_key_rotations(KeyId=key)["Rotations"]] == ["AUTOMATIC"])
    assert kms.decrypt(CiphertextBlob=before)["Plaintext"] == b"old"
    assert secrets.get_secret_value(SecretId="kept")["SecretString"] == "y"
