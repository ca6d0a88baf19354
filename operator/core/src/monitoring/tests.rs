use std::{collections::BTreeMap, time::Duration};

use forkable_crds::{Fork, ForkStatus};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sites::To;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn object() -> ObjectRef {
    ObjectRef::new("Fork", "default", "acme")
}

/// A Fork with this in its spec, whose release serves.
fn fork(more: &Value) -> Fork {
    let mut spec = json!({
        "template": {"owner": "o", "repo": "t"}, "repository": {"owner": "o", "name": "acme"}, "project": {"name": "acme"},
        "domains": [
            {"name": "acme.dev"}, {"name": "www.acme.dev", "redirectTo": "acme.dev"}, {"name": "new.acme.dev"},
            {"name": "*.acme.dev"}, {"name": "staging.acme.dev", "environment": "staging"},
        ],
    });
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let mut fork = Fork::new("acme", serde_json::from_value(spec).expect("a spec"));
    let works = |name: &str| json!({"name": name, "verified": true, "configured": true});
    let status = json!({
        "url": "https://acme.dev", "currentRelease": {"name": "acme-1", "commit": "abc"},
        "domains": [works("acme.dev"), works("www.acme.dev"), works("*.acme.dev"), works("staging.acme.dev"),
            {"name": "new.acme.dev", "verified": true, "configured": false}],
    });
    fork.status = Some(serde_json::from_value::<ForkStatus>(status).expect("a status"));
    fork
}

fn probed(fork: &Fork) -> Vec<String> {
    let to = |target: Target| {
        let to = match target.ask {
            Ok(Ask::Http(HttpAsk { to: To::Site { host, path }, method, .. })) => {
                format!("{method} https://{host}{path}")
            }
            Ok(Ask::Http(HttpAsk { to: To::Url(url), method, .. })) => format!("{method} {url}"),
            Ok(Ask::Tcp(TcpAsk { host, port, tls, .. })) => format!("{host}:{port} {tls}"),
            Ok(Ask::Dns(DnsAsk { name, server, .. })) => format!("{name} of {server:?}"),
            Err(why) => why,
        };
        let (every, most) = (target.interval.as_secs(), target.timeout.as_secs());
        format!("{}: {to} every {every} s, {most} at most", target.series.probe)
    };
    targets(fork, &BTreeMap::new()).into_iter().map(to).collect()
}

#[test]
fn without_a_word_every_domain_of_production_that_works_is_probed() {
    assert_eq!(probed(&fork(&json!({}))), ["acme.dev: GET https://acme.dev/ every 30 s, 10 at most"]);
    let mut without_domain = fork(&json!({"domains": []}));
    without_domain.status.as_mut().expect("a status").url = Some("https://acme.vercel.app".into());
    assert_eq!(probed(&without_domain), ["acme.vercel.app: GET https://acme.vercel.app/ every 30 s, 10 at most"]);
    let statuses = |fork: &Fork| match &targets(fork, &BTreeMap::new())[0].ask {
        Ok(Ask::Http(ask)) => ask.expect.statuses.clone(),
        ask => panic!("{ask:?}"),
    };
    assert_eq!(statuses(&fork(&json!({}))), [200..=299]);
    assert_eq!(
        statuses(&without_domain),
        [200..=299, 401..=401],
        "Vercel asks for a login unless it is told otherwise"
    );
    let login = |mut fork: Fork| {
        fork.spec.project.protection = serde_json::from_value(json!({"login": "Standard"})).expect("a protection");
        statuses(&fork)
    };
    assert_eq!(login(without_domain.clone()), [200..=299, 401..=401], "visitors are asked for a login there");
    assert_eq!(login(fork(&json!({}))), [200..=299]);
    for off in [json!({"monitoring": {"enabled": false}}), json!({"monitoring": {"enabled": false, "probes": []}})] {
        assert_eq!(probed(&fork(&off)), Vec::<String>::new());
    }
    assert_eq!(probed(&fork(&json!({"monitoring": {}}))).len(), 1);
    let mut new = fork(&json!({}));
    new.status.as_mut().expect("a status").current_release = None;
    assert_eq!(probed(&new), Vec::<String>::new(), "nothing serves yet");
    let mut going = fork(&json!({}));
    going.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
    assert_eq!(probed(&going), Vec::<String>::new());
}

#[test]
fn probes_that_are_asked_for_take_their_place() {
    let key = json!({"secretKeyRef": {"name": "gone", "key": "k"}});
    let monitoring = json!({"monitoring": {"probes": [
        {"name": "api", "intervalSeconds": 5, "http": {"path": "/healthz", "method": "HEAD"}},
        {"name": "other", "timeoutSeconds": 3, "http": {"url": "http://other.dev:81/x"}},
        {"name": "db", "tcp": {"host": "db.dev", "port": 5432, "tls": true}},
        {"name": "address", "dns": {"server": "1.1.1.1"}},
        {"name": "mail", "dns": {"name": "dev", "type": "MX"}},
        {"name": "secret", "http": {"requestHeaders": [{"name": "A", "valueFrom": key}]}},
    ]}});
    let expected = [
        "api: HEAD https://acme.dev/healthz every 5 s, 4 at most",
        "other: GET http://other.dev:81/x every 30 s, 3 at most",
        "db: db.dev:5432 true every 30 s, 10 at most",
        "address: acme.dev of Some((\"1.1.1.1\", 53)) every 30 s, 10 at most",
        "mail: dev of None every 30 s, 10 at most",
        "secret: Secret gone with the value of the request header A is missing: create it with the key k every 30 s, 10 at most",
    ];
    assert_eq!(probed(&fork(&monitoring)), expected);
    assert_eq!(secrets(&fork(&monitoring).spec).into_iter().collect::<Vec<_>>(), ["gone"]);
}

#[test]
fn what_cannot_be_honoured_is_told_with_its_field() {
    let http = |http: Value| json!({"monitoring": {"probes": [{"name": "a", "http": http}]}});
    let window = json!({"name": "w", "timeZone": "Europe/Atlantis", "start": "01:00", "end": "02:00"});
    for (monitoring, field, what) in [
        (http(json!({"bodyMatches": "("})), "probes[0].http.bodyMatches", "no regular expression"),
        (http(json!({"statuses": ["200", "299-200"]})), "probes[0].http.statuses[1]", "write it as 200 or 200-299"),
        (http(json!({"url": "https://a:b@c"})), "probes[0].http.url", "credentials do not belong"),
        (http(json!({"url": "https://c:port"})), "probes[0].http.url", "is no address"),
        (
            json!({"monitoring": {"maintenance": [window]}}),
            "maintenance[0]",
            "the maintenance window w has the time zone",
        ),
    ] {
        let faults = faults(&fork(&monitoring).spec);
        let [(at, message)] = faults.as_slice() else { panic!("{faults:?}") };
        assert!(at == field && message.contains(what), "{at}: {message}");
    }
}

#[test]
fn an_answer_is_judged_by_everything_that_is_expected() {
    let expect = |more: Value| {
        let monitoring = json!({"monitoring": {"probes": [{"name": "a", "http": more}]}});
        match targets(&fork(&monitoring), &BTreeMap::new()).remove(0).ask {
            Ok(Ask::Http(ask)) => ask.expect,
            ask => panic!("{ask:?}"),
        }
    };
    let answer = Answer { status: 204, headers: vec![("x-a".into(), "1".into())], body: "Hello Acme".into() };
    for (more, wrong) in [
        (json!({}), None),
        (
            json!({"statuses": ["204"], "bodyContains": "Acme", "bodyMatches": "^Hel+o", "headers": [{"name": "X-A"}]}),
            None,
        ),
        (json!({"statuses": ["200-203", "500"]}), Some("answered 204 instead of 200-203, 500")),
        (json!({"bodyContains": "Beta"}), Some("answered without \"Beta\"")),
        (json!({"bodyMatches": "^Acme"}), Some("answered with nothing that matches \"^Acme\"")),
        (json!({"headers": [{"name": "X-A", "equals": "2"}]}), Some("answered without the header X-A: 2")),
    ] {
        assert_eq!(expect(more.clone()).judge(&answer).err().as_deref(), wrong, "{more}");
    }
    let days = |days| judge_certificate(Some(at(86_400 * 15)), Some(days), at(86_400));
    assert_eq!(days(14), Ok(()));
    assert_eq!(days(15), Err("the certificate ends in 14 days, on 1970-01-16; 15 are the least".into()));
}

#[test]
fn a_verdict_needs_its_confirmations_and_one_good_run_ends_it() {
    use Verdict::{Down, Unknown, Up};
    // What runs find in turn; what is confirmed after each, and since when.
    let table = [
        ("one failure is no outage", vec![Up, Down, Up], vec![(Up, 0), (Up, 0), (Up, 0)]),
        ("two are, since the first", vec![Up, Down, Down], vec![(Up, 0), (Up, 0), (Down, 1)]),
        ("it ends at once", vec![Down, Down, Up], vec![(Unknown, -1), (Down, 0), (Up, 2)]),
        ("cut off is not down", vec![Up, Unknown, Unknown], vec![(Up, 0), (Up, 0), (Unknown, 1)]),
        ("nor the end of it", vec![Down, Down, Unknown, Down], vec![(Unknown, -1), (Down, 0), (Down, 0), (Down, 0)]),
        ("in a row only", vec![Up, Down, Unknown, Down, Down], vec![(Up, 0), (Up, 0), (Up, 0), (Up, 0), (Down, 3)]),
    ];
    for (why, found, expected) in table {
        let mut confirmed = Confirmed::new(Unknown, at(-1), String::new());
        for (second, (found, expected)) in (0..).zip(found.into_iter().zip(expected)) {
            let before = confirmed.verdict;
            let changed = confirmed.take(at(second), found, "because", 2);
            assert_eq!((confirmed.verdict, confirmed.since), (expected.0, at(expected.1)), "{why}, run {second}");
            assert_eq!(changed.map(|before| before.verdict), (before != expected.0).then_some(before), "{why}");
            assert_eq!(confirmed.is_in_doubt(), found != expected.0, "{why}");
        }
    }
}

fn series(probe: &str) -> Series {
    Series { fork: object(), probe: probe.into() }
}

#[test]
fn runs_spread_over_their_interval_and_a_restart_moves_none() {
    let interval = Duration::from_secs(30);
    assert_eq!(phase(&series("acme.dev"), interval), phase(&series("acme.dev"), interval));
    let mut seconds = [0; 30];
    for number in 0..20_000 {
        let phase = phase(&series(&format!("p{number}")), interval);
        seconds[usize::try_from(phase.as_secs()).expect("less than 30")] += 1;
    }
    assert!(seconds.iter().all(|count| (580..=760).contains(count)), "{seconds:?}");
}

proptest! {
    #[test]
    fn the_next_run_is_within_an_interval_and_at_its_phase(probe in "[a-z]{1,9}", now in 0_i64..4_000_000_000_000, seconds in 5_u64..3600) {
        let interval = Duration::from_secs(seconds);
        let phase = phase(&series(&probe), interval);
        let now = Timestamp::from_millisecond(now).expect("a time");
        let next = next(phase, interval, now);
        prop_assert!(next > now && next.duration_since(now) <= SignedDuration::try_from(interval).expect("short"));
        let into = next.as_millisecond().rem_euclid(i64::try_from(interval.as_millis()).expect("short"));
        prop_assert_eq!(into, i64::try_from(phase.as_millis()).expect("short"));
    }
}

/// The spells as a reader of the history sees them: one for each beginning, with its last end.
#[derive(Default)]
struct Kept(BTreeMap<Timestamp, Spell>);

impl Kept {
    fn keep(&mut self, spells: Vec<Spell>) {
        self.0.extend(spells.into_iter().map(|spell| (spell.from, spell)));
    }

    fn uptime(&self, from: i64, to: i64) -> (u64, u64) {
        let spells = self.0.values().map(|spell| (spell.from, spell.to, spell.is_down));
        let Uptime { observed, down } = uptime(spells, at(from), at(to));
        (observed.as_secs(), down.as_secs())
    }
}

#[test]
fn a_fork_is_down_while_one_of_its_probes_is() {
    use Verdict::{Down, Unknown, Up};
    let mut tally = Tally::new(object());
    let mut kept = Kept::default();
    let mut run = |second, probe: &str, found| kept.keep(tally.take(probe, at(second), found, at(second + 45)));
    // a: down from 30 until 90; b: down from 70 until 130.
    for (second, a) in [(0, Up), (30, Down), (60, Down), (90, Up), (120, Up), (150, Up)] {
        run(second, "a", a);
        run(second + 10, "b", if [70, 100].contains(&(second + 10)) { Down } else { Up });
    }
    // Nothing is known for a while, and nobody asks for another.
    run(180, "a", Unknown);
    run(190, "b", Unknown);
    run(210, "a", Unknown);
    run(1000, "a", Up);
    run(1030, "a", Up);
    assert_eq!(kept.0.len(), 4, "{:?}", kept.0);
    assert_eq!(kept.uptime(0, 190), (190, 100));
    assert_eq!(kept.uptime(0, 2000), (190 + 30, 100));
    assert_eq!(kept.uptime(60, 120), (60, 60));
    assert_eq!(kept.uptime(195, 990), (0, 0));
}

/// 1,000 outages at random times, each on a day of its own that is probed as the scheduler does it.
#[test]
fn uptime_is_exact_within_an_interval_and_not_biased() {
    const INTERVAL: i64 = 30_000;
    const SPAN: i64 = 6 * 3_600_000;
    let mut seed = 42_u64;
    let mut random = |below: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(seed >> 33).expect("31 bits") % below
    };
    let millisecond = |millisecond| Timestamp::from_millisecond(millisecond).expect("a time");
    let mut sum = 0;
    for _ in 0..1000 {
        let phase = Duration::from_millis(random(INTERVAL).unsigned_abs());
        let (began, length) = (INTERVAL + random(SPAN / 2), random(3_600_000));
        let mut tally = Tally::new(object());
        let mut confirmed = Confirmed::new(Verdict::Unknown, millisecond(0), String::new());
        let mut kept = Kept::default();
        let interval = Duration::from_millis(INTERVAL.unsigned_abs());
        let mut now = next(phase, interval, millisecond(0));
        while now.as_millisecond() < SPAN {
            let is_down = (began..began + length).contains(&now.as_millisecond());
            let found = if is_down { Verdict::Down } else { Verdict::Up };
            confirmed.take(now, found, "", 2);
            kept.keep(tally.take("a", now, found, now + interval + Duration::from_secs(15)));
            let again = now + Duration::from_secs(1);
            now = if confirmed.is_in_doubt() { again } else { next(phase, interval, now) };
        }
        let spells = kept.0.values().map(|spell| (spell.from, spell.to, spell.is_down));
        let down = i64::try_from(uptime(spells, millisecond(0), millisecond(SPAN)).down.as_millis()).expect("short");
        let error = down - length;
        assert!(error.abs() <= INTERVAL, "an outage of {length} ms counts as {down} ms");
        sum += error;
    }
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let bias = sum as f64 / 1000.0 / SPAN as f64 * 100.0;
    println!("mean bias {bias:.5} points");
    assert!(bias.abs() <= 0.005, "{bias} points");
}

#[test]
fn the_condition_is_there_once_a_product_was_down() {
    use Verdict::{Down, Unknown, Up};
    let standing = |(probe, verdict): &(&str, Verdict)| Standing {
        series: series(probe),
        verdict: *verdict,
        since: at(0),
        newest: Sample { at: at(0), verdict: *verdict, latency: None },
        why: if *verdict == Up { String::new() } else { "because".into() },
        certificate_ends: None,
    };
    let now = |previous: &[_], standings: &[(&str, Verdict)], second| {
        let standings: Vec<_> = standings.iter().map(standing).collect();
        available(previous, &standings, 1, at(second))
    };
    assert_eq!(now(&[], &[("a", Up)], 1), None);
    assert_eq!(now(&[], &[("a", Unknown)], 1), None);
    let down = now(&[], &[("a", Down), ("b", Up), ("c", Down)], 1).expect("it is down");
    assert_eq!((down.status.as_str(), down.message.as_str()), ("False", "a: because; c: because"));
    let down = [down];
    assert_eq!(now(&down, &[], 2).as_ref(), Some(&down[0]), "after a restart");
    let unknown = now(&down, &[("a", Unknown), ("b", Up)], 3).expect("it is unknown");
    assert_eq!((unknown.status.as_str(), unknown.reason.as_str()), ("Unknown", "NotProbed"));
    let up = now(&[unknown], &[("a", Up), ("b", Up)], 4).expect("it is up");
    assert_eq!((up.status.as_str(), up.last_transition_time.0), ("True", at(4)));
}

#[test]
fn maintenance_is_named_while_it_lasts() {
    let window = json!({"name": "night", "start": "01:00", "end": "02:00"});
    let fork = fork(&json!({"monitoring": {"maintenance": [window]}}));
    assert_eq!(maintenance(&fork.spec, at(3600)), Some("night".into()));
    assert_eq!(maintenance(&fork.spec, at(7200)), None);
}
