"""TLS and SASL against a broker with certificates, users and access control of its own; properties;
check --online. No secret is ever printed."""

import os
import pathlib
import subprocess

from kafka_tools import Failed, Gen, Mill, Oracle, World, ck_admin, main, newest_library

world = World(secure=True)
secure = world.broker.secure
PASSWORD = (secure / "password").read_text().strip()


def expect(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: {got!r} instead of {wanted!r}")


def allow(user, resource, name, *operations):
    acls = [ck_admin.AclBinding(resource, name, ck_admin.ResourcePatternType.PREFIXED, f"User:{user}", "*", op,
                                ck_admin.AclPermissionType.ALLOW) for op in operations]
    for f in world.admin.create_acls(acls).values():
        f.result()


def allow_everything(user):
    t, op = ck_admin.ResourceType, ck_admin.AclOperation
    for name in ("in", "out", "dead"):
        allow(user, t.TOPIC, name, op.READ, op.WRITE, op.DESCRIBE, op.DESCRIBE_CONFIGS)
    allow(user, t.GROUP, "group", op.READ, op.DESCRIBE)
    allow(user, t.TRANSACTIONAL_ID, "group", op.WRITE, op.DESCRIBE)


allow_everything("alice")
allow_everything("CN=alice")


def mill(security, port, source, out, dead, **more):
    m = Mill(world, source, out, dead, brokers=f"127.0.0.1:{port}", **more)
    config = m.config.read_text()
    m.config.write_text(config.replace("kafka: { properties:", "kafka:\n  " + security + "\n  properties:", 1)
                        .replace(" } }\nhttp", " }\nhttp"))
    return m


def run(verb, m, *more, **env):
    return subprocess.run([os.environ["TEXTMILL"], verb, "-c", str(m.config), *more], capture_output=True, text=True,
                          timeout=90, env=dict(os.environ, **env))


def topics():
    return world.topic("in", 2), world.topic("out", 2), world.topic("dead")


TLS = f"tls: {{ ca: {secure}/ca.pem }}"


def sasl(mechanism, user="alice", file=None):
    return TLS + f"\n  sasl: {{ mechanism: {mechanism}, username: {user}, password_file: {file or secure / 'password'} }}"


def old_library_says_so():
    """What such a library makes of it is told with its remedy."""
    source, out, dead = topics()
    m = mill(sasl("SCRAM-SHA-256"), world.broker.sasl_port, source, out, dead)
    done = run("check", m, "--online")
    if done.returncode == 0:
        return "this librdkafka can do SCRAM"
    if done.returncode != 78 or "2.6.1" not in done.stderr:
        raise Failed(done.stderr)


def mechanisms():
    """A librdkafka before 2.6.1 cannot do SCRAM with Kafka 4: it repeats the client's part of the nonce."""
    newest = newest_library()
    if newest is None:
        return "skipped: no newer librdkafka to try with"
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        source, out, dead = topics()
        gen = Gen(world, source).put(50)
        m = mill(sasl(mechanism), world.broker.sasl_port, source, out, dead)
        m.once(**newest)
        Oracle(world, gen, out, dead).check()
        if PASSWORD in m.said():
            raise Failed("the password is in the log")
        checked = run("check", m, "--online", **newest)
        expect(checked.returncode, 0, checked.stderr)
        shown = subprocess.run([os.environ["TEXTMILL"], "config", "effective", "-c", str(m.config)], capture_output=True,
                               text=True)
        if PASSWORD in shown.stdout + shown.stderr + checked.stdout + checked.stderr:
            raise Failed("the password is printed")


def client_certificate():
    source, out, dead = topics()
    gen = Gen(world, source).put(50)
    tls = f"tls: {{ ca: {secure}/ca.pem, certificate: {secure}/client.pem, key: {secure}/client.key }}"
    m = mill(tls, world.broker.ssl_port, source, out, dead)
    m.once()
    Oracle(world, gen, out, dead).check()


def the_service_managers_copy_of_the_password():
    source, out, dead = topics()
    Gen(world, source).put(5)
    credentials = world.folder()
    (credentials / "kafka-password").write_text(PASSWORD)
    m = mill(sasl("PLAIN", file="kafka-password"), world.broker.sasl_port, source, out, dead)
    done = run("once", m, CREDENTIALS_DIRECTORY=str(credentials))
    expect(done.returncode, 0, done.stderr)


def what_check_online_finds():
    source, out, dead = topics()
    wrong = world.folder() / "wrong"
    wrong.write_text("not the password\n")
    port = world.broker.sasl_port
    found = lambda m: run("check", m, "--online")
    cases = [("uthentication", mill(sasl("SCRAM-SHA-256", file=wrong), port, source, out, dead)),
             ("certificate", mill("tls: { enabled: true }\n  " + sasl("PLAIN").split("\n  ")[1], port, source, out, dead)),
             ("does not exist", mill(sasl("PLAIN"), port, "in-missing", out, dead)),
             ("uthorization failed", mill(sasl("PLAIN", user="bob"), port, source, out, dead)),
             ("group.max.session.timeout.ms", Mill(world, source, out, dead, session_ms=1800001 - 1)),
             ("transaction.max.timeout.ms", Mill(world, source, sink=f"  kafka: {{ topic: {out}, transaction_ms: 900000 }}\n"
                                                 f"  dead_letters: {{ topic: {dead} }}")),
             ("cannot be reached", Mill(world, source, out, dead, brokers="127.0.0.1:1"))]
    for wanted, m in cases:
        done = found(m)
        if wanted.endswith("timeout.ms"):  # the brokers' own limits are as wide as ours
            expect(done.returncode, 0, done.stderr)
        elif done.returncode != 78 or wanted not in done.stderr:
            raise Failed(f"{wanted}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        if PASSWORD in done.stderr + done.stdout:
            raise Failed("the password is printed")
    small = world.topic("dead", 1, max_message_bytes=1000)
    done = found(Mill(world, source, out, small))
    if done.returncode != 78 or "would lose their bytes" not in done.stderr:
        raise Failed(done.stderr)


def what_check_finds_alone():
    source, out, dead = topics()
    for text, wanted in (("properties: { enable.auto.commit: true }", "break the promise"),
                         ("properties: { sasl.password: secret }", "by file"),
                         ("properties: { no.such.thing: 1 }", "no.such.thing"),
                         ("properties: { plugin.library.paths: /x.so }", "loads code"),
                         ("sasl: { mechanism: PLAIN }", "needs a user"),
                         (f"tls: {{ certificate: {secure}/client.pem }}", "needs its key"),
                         (sasl("PLAIN", file="/no/such/file"), "/no/such/file")):
        m = Mill(world, source, out, dead)
        lines = [l for l in m.config.read_text().splitlines() if not l.startswith("kafka:")]
        m.config.write_text("\n".join(lines) + "\nkafka:\n  " + text + "\n")
        done = run("check", m)
        if done.returncode != 78 or wanted not in done.stderr:
            raise Failed(f"{text}: exit code {done.returncode}: {done.stderr}")
    for change, wanted in ((("start: yesterday", "must be earliest")), (("start: \"in/x=1\"", "must be earliest"))):
        m = Mill(world, source, out, dead, source=change)
        done = run("check", m)
        if done.returncode != 78 or wanted not in done.stderr:
            raise Failed(f"{change}: {done.stderr}")
    for topic, wanted in ((source, "taken from this topic"), (f"'{source[:2]}{{lang}}'", "taken from this topic"),
                          (f"'{dead[:2]}{{task}}'", "results go to this topic"), ("'{lang}'", "is no topic"),
                          ("'x{lang'", "is no topic"), ("'x{id}'", "is no topic")):
        done = run("check", Mill(world, source, topic, dead))
        if done.returncode != 78 or wanted not in done.stderr:
            raise Failed(f"{topic}: {done.stderr}")
    done = run("check", Mill(world, source, "'results-{task}.{lang}'", dead))
    if done.returncode != 0:
        raise Failed(done.stderr)


if __name__ == "__main__":
    main([mechanisms, old_library_says_so, client_certificate, the_service_managers_copy_of_the_password, what_check_online_finds,
          what_check_finds_alone])
