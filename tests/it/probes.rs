//! Probes through the whole binary: a product goes down and comes back, over restarts, and in maintenance.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use forkable_tests::{World, eventually, reference_fork};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};
use serde_json::{Value, json};
use tokio::net::UdpSocket;

const PATIENCE: Duration = Duration::from_secs(40);

/// The reference fork with this under `monitoring`, live.
async fn monitored(monitoring: &str) -> World {
    let world = World::with_reference_fork().await;
    world.write("acme.yaml", &format!("{}  monitoring:\n    {monitoring}\n", reference_fork()));
    world.converge().await;
    world
}

/// Status and message of the condition that says whether the product works; empty if there is none.
async fn available(world: &World) -> (String, String) {
    let status = world.any_status("acme").await;
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == "Available");
    let text = |field: &str| found.map_or("", |found| found[field].as_str().unwrap_or_default()).to_owned();
    (text("status"), text("message"))
}

async fn is(world: &World, status: &str, says: &str) {
    eventually(&format!("Available is {status}: {says}"), PATIENCE, || async {
        let (found, message) = available(world).await;
        (found == status && message.contains(says)).then_some(())
    })
    .await;
}

/// How often people were told so.
async fn told(world: &World, reason: &str) -> i64 {
    world.events("acme").await.into_iter().filter(|(of, _)| of == reason).map(|(_, count)| count).sum()
}

async fn commit(world: &World) -> String {
    let status = world.any_status("acme").await;
    status["currentRelease"]["commit"].as_str().expect("something serves").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_down_is_told_of_once_over_restarts_until_it_works_again() {
    let world = monitored("probes: [{ name: home, intervalSeconds: 5, http: {} }]").await;
    let commit = commit(&world).await;
    let running = world.up();
    eventually("it was probed", PATIENCE, || async { (world.recorded("acme", "home").await > 0).then_some(()) }).await;
    assert_eq!(available(&world).await.0, "", "nothing is said while it works");
    world.degrade(&commit, json!({ "status": 500 })).await;
    is(&world, "False", "home: answered 500 instead of 200-299").await;
    assert_eq!(told(&world, "ProductDown").await, 1);
    let why = world.run(&["why", "acme"]).await;
    assert!(why.stdout.contains("Available: ProbeFailed"), "{}", why.stdout);
    running.kill().await;

    let before = world.recorded("acme", "home").await;
    let running = world.up();
    let more = || async { (world.recorded("acme", "home").await > before).then_some(()) };
    eventually("it is probed on", PATIENCE, more).await;
    is(&world, "False", "answered 500").await;
    assert_eq!(told(&world, "ProductDown").await, 1, "a restart tells nobody again");
    world.mend(&commit).await;
    is(&world, "True", "").await;
    eventually("it is told", PATIENCE, || async { (told(&world, "ProductUp").await == 1).then_some(()) }).await;
    running.kill().await;
    assert_eq!(told(&world, "ProductDown").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_asks_with_a_secret_and_judges_the_answer() {
    let header = "{ name: x-key, valueFrom: { secretKeyRef: { name: acme, key: nothing } } }";
    let world = World::with_reference_fork().await;
    let probe = |http: &str| format!("probes: [{{ name: home, intervalSeconds: 5, http: {{ {http} }} }}]");
    let write = |monitoring: &str| {
        world.write("acme.yaml", &format!("{}  monitoring:\n    {monitoring}\n", reference_fork()));
    };
    write(&probe(&format!("requestHeaders: [{header}]")));
    let output = world.up_once().await;
    let (_, reason, message) = world.condition("acme", "Valid").await.expect("it is refused");
    assert_eq!(reason, "SecretKeyNotFound", "{message}\n{}", output.stdout);
    assert!(message.contains("spec.monitoring.probes[0].http.requestHeaders[0].valueFrom.secretKeyRef"), "{message}");
    write(&probe("bodyMatches: '('"));
    world.up_once().await;
    let (_, reason, message) = world.condition("acme", "Valid").await.expect("it is refused");
    assert_eq!(
        (reason.as_str(), message.contains("probes[0].http.bodyMatches")),
        ("InvalidMonitoring", true),
        "{message}"
    );
    write(&probe("bodyContains: no such words"));
    world.converge().await;
    let running = world.up();
    is(&world, "False", "home: answered without \"no such words\"").await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_in_maintenance() {
    let window = "maintenance: [{ name: always, from: 2020-01-01T00:00:00Z, to: 2099-01-01T00:00:00Z }]";
    let world = monitored(&format!("{window}\n    probes: [{{ name: home, intervalSeconds: 5, http: {{}} }}]")).await;
    world.degrade(&commit(&world).await, json!({ "status": 500 })).await;
    let running = world.up();
    eventually("it was probed", PATIENCE, || async { (world.recorded("acme", "home").await > 8).then_some(()) }).await;
    running.kill().await;
    assert_eq!((told(&world, "ProductDown").await, available(&world).await.0), (0, String::new()));
    let status: Value = world.any_status("acme").await;
    assert_eq!(status["currentRelease"]["commit"], commit(&world).await, "and nothing else is different");
}

/// A DNS server with one address for every name, which ends with this number; with 0 it knows no name.
async fn name_server(last: Arc<AtomicU8>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut message = Message::from_vec(&buffer[..length]).expect("a question").into_response();
            let (name, asked) = (message.queries[0].name().clone(), message.queries[0].query_type());
            match last.load(Ordering::SeqCst) {
                0 => message.metadata.response_code = ResponseCode::NXDomain,
                last if asked == RecordType::A => {
                    let address = RData::A(Ipv4Addr::new(192, 0, 2, last).into());
                    message.add_answer(Record::from_rdata(name, 60, address));
                }
                _ => {}
            }
            socket.send_to(&message.to_vec().expect("a message"), from).await.expect("it is sent");
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_leads_elsewhere_is_told_of_by_a_probe_of_dns() {
    let last = Arc::new(AtomicU8::new(1));
    let server = name_server(last.clone()).await;
    let probe = |dns: &str| format!("probes: [{{ name: dns, intervalSeconds: 5, dns: {{ {dns} }} }}]");
    let world = World::with_reference_fork().await;
    let write = |dns: &str| {
        world.write("acme.yaml", &format!("{}  monitoring:\n    {}\n", reference_fork(), probe(dns)));
    };
    write("values: [acme.dev]");
    world.up_once().await;
    let (_, reason, message) = world.condition("acme", "Valid").await.expect("it is refused");
    assert_eq!(reason, "InvalidMonitoring", "{message}");
    assert!(message.contains("probes[0].dns.values[0]") && message.contains("no address of IPv4"), "{message}");
    write("rcode: NXDOMAIN, minimumRecords: 1");
    let refused = world.up_once().await;
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("need the rcode NOERROR"), "{}", refused.stdout);

    write(&format!("server: \"{server}\", values: [192.0.2.1], maximumRecords: 1"));
    world.converge().await;
    let running = world.up();
    eventually("it was asked", PATIENCE, || async { (world.recorded("acme", "dns").await > 0).then_some(()) }).await;
    assert_eq!(available(&world).await.0, "", "nothing is said while it works");
    last.store(9, Ordering::SeqCst);
    is(&world, "False", "dns: answered 192.0.2.9, without 192.0.2.1").await;
    last.store(0, Ordering::SeqCst);
    eventually("why says what it is now", PATIENCE, || async {
        let why = world.run(&["why", "acme"]).await;
        why.stdout.contains("dns is down since").then_some(())
    })
    .await;
    last.store(1, Ordering::SeqCst);
    is(&world, "True", "").await;
    running.kill().await;
}
