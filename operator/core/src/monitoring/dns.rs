//! What is asked of a DNS server, and what its answer must be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use forkable_crds::fork::{DnsCheck, DnsRcode, DnsRecordType};
use regex::Regex;
use url::Url;

use super::targets::pattern;

/// Where DNS servers listen.
const PORT: u16 = 53;
/// Records that are told of at most, and characters of each.
const TOLD: usize = 5;
const LONGEST: usize = 64;

/// A question to a DNS server.
#[derive(Clone, Debug)]
pub struct DnsAsk {
    pub name: String,
    pub record_type: DnsRecordType,
    /// Host and port; those of the system without.
    pub server: Option<(String, u16)>,
    rcode: DnsRcode,
    /// In the form of [`canonical`].
    values: Vec<String>,
    value_matches: Option<Regex>,
    minimum: usize,
    maximum: usize,
}

/// What a DNS server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsAnswer {
    /// What became of the question, by the name that IANA has for it.
    pub rcode: String,
    /// Records of the type that was asked for, each as a zone file has it, text without quotes.
    pub records: Vec<String>,
}

impl DnsAsk {
    /// What is wrong with an answer, if something is.
    pub fn judge(&self, answer: &DnsAnswer) -> Result<(), String> {
        let DnsAnswer { rcode, records } = answer;
        if !rcode.eq_ignore_ascii_case(self.rcode.name()) {
            return Err(format!("answered {rcode} instead of {}", self.rcode.name()));
        }
        let (kind, count) = (self.record_type.name(), records.len());
        if count < self.minimum {
            return Err(format!("answered {count} {kind} records instead of at least {}", self.minimum));
        }
        if count > self.maximum {
            return Err(format!("answered {count} {kind} records instead of at most {}", self.maximum));
        }
        let found: Vec<_> = records
            .iter()
            .map(|record| canonical(self.record_type, record).unwrap_or_else(|_| record.clone()))
            .collect();
        if let Some(missing) = self.values.iter().find(|wanted| !found.contains(wanted)) {
            return Err(format!("answered {}, without {missing}", told(records)));
        }
        match &self.value_matches {
            Some(pattern) if !records.iter().any(|record| pattern.is_match(record)) => {
                Err(format!("answered {}, of which none matches {:?}", told(records), pattern.as_str()))
            }
            _ => Ok(()),
        }
    }
}

fn told(records: &[String]) -> String {
    let short = |record: &String| match record.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &record[..end]),
        None => record.clone(),
    };
    let mut told: Vec<_> = records.iter().take(TOLD).map(short).collect();
    if records.len() > TOLD {
        told.push(format!("{} more", records.len() - TOLD));
    }
    if told.is_empty() { "nothing".into() } else { told.join(", ") }
}

/// The one form of a record that is written in several ways.
fn canonical(record_type: DnsRecordType, text: &str) -> Result<String, String> {
    let no_address = |of: &str| format!("{text:?} is no address of {of}, which {} records have", record_type.name());
    match record_type {
        DnsRecordType::A => text.parse::<Ipv4Addr>().map(|it| it.to_string()).map_err(|_| no_address("IPv4")),
        DnsRecordType::Aaaa => text.parse::<Ipv6Addr>().map(|it| it.to_string()).map_err(|_| no_address("IPv6")),
        DnsRecordType::Txt => Ok(text.to_owned()),
        _ => {
            let parts = text.split_whitespace().map(|part| part.trim_matches('"').trim_end_matches('.'));
            Ok(parts.collect::<Vec<_>>().join(" ").to_ascii_lowercase())
        }
    }
}

/// The question of a check about this name.
pub(super) fn ask(check: &DnsCheck, name: &str) -> Result<DnsAsk, String> {
    let most = |count: i64| usize::try_from(count).unwrap_or_default();
    let least = i64::from(check.rcode == DnsRcode::NoError && check.maximum_records != Some(0));
    Ok(DnsAsk {
        name: name.to_owned(),
        record_type: check.record_type,
        server: check.server.as_deref().map(server).transpose()?,
        rcode: check.rcode,
        values: check.values.iter().map(|value| canonical(check.record_type, value)).collect::<Result<_, _>>()?,
        value_matches: check.value_matches.as_deref().map(pattern).transpose()?,
        minimum: most(check.minimum_records.unwrap_or(least)),
        maximum: check.maximum_records.map_or(usize::MAX, most),
    })
}

/// Every field that cannot be honoured.
pub(super) fn faults(check: &DnsCheck) -> Vec<(String, String)> {
    let values = check.values.iter().enumerate();
    let values = values.filter_map(|(at, value)| {
        let error = canonical(check.record_type, value).err()?;
        Some((format!("values[{at}]"), error))
    });
    let server = check.server.as_deref().and_then(|text| server(text).err()).map(|error| ("server".into(), error));
    let pattern = check.value_matches.as_deref().and_then(|text| pattern(text).err());
    values.chain(server).chain(pattern.map(|error| ("valueMatches".into(), error))).collect()
}

fn server(text: &str) -> Result<(String, u16), String> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text.to_owned(), PORT));
    }
    let parsed = Url::parse(&format!("dns://{text}")).ok().and_then(|url| {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port().unwrap_or(PORT)))
    });
    parsed.ok_or_else(|| format!("{text:?} is no address of a server: write HOST or HOST:PORT"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(check: Value) -> DnsCheck {
        serde_json::from_value(check).expect("a check")
    }

    #[test]
    fn an_answer_is_judged_by_rcode_count_and_values() {
        let table = [
            (json!({}), "NOERROR", &["192.0.2.1"][..], Ok(())),
            (json!({}), "NOERROR", &[], Err("answered 0 A records instead of at least 1")),
            (json!({}), "NXDOMAIN", &[], Err("answered NXDOMAIN instead of NOERROR")),
            (json!({"rcode": "NXDOMAIN"}), "NXDOMAIN", &[], Ok(())),
            (json!({"rcode": "NXDOMAIN"}), "NOERROR", &["192.0.2.1"], Err("answered NOERROR instead of NXDOMAIN")),
            (json!({"maximumRecords": 0}), "NOERROR", &[], Ok(())),
            (
                json!({"maximumRecords": 1}),
                "NOERROR",
                &["192.0.2.1", "192.0.2.2"],
                Err("answered 2 A records instead of at most 1"),
            ),
            (json!({"minimumRecords": 2}), "NOERROR", &["192.0.2.1", "192.0.2.2"], Ok(())),
            (
                json!({"values": ["192.0.2.3"]}),
                "NOERROR",
                &["192.0.2.1", "192.0.2.2"],
                Err("answered 192.0.2.1, 192.0.2.2, without 192.0.2.3"),
            ),
            (json!({"type": "AAAA", "values": ["2001:DB8:0::1"]}), "NOERROR", &["2001:db8::1"], Ok(())),
            (json!({"type": "MX", "values": ["10 Mail.acme.dev"]}), "NOERROR", &["10 mail.acme.dev."], Ok(())),
            (
                json!({"type": "CAA", "values": ["0 issue letsencrypt.org"]}),
                "NOERROR",
                &["0 issue \"letsencrypt.org\""],
                Ok(()),
            ),
            (
                json!({"type": "TXT", "values": ["v=SPF1"]}),
                "NOERROR",
                &["v=spf1"],
                Err("answered v=spf1, without v=SPF1"),
            ),
            (json!({"type": "TXT", "valueMatches": "^v=spf1 .*-all$"}), "NOERROR", &["x", "v=spf1 -all"], Ok(())),
            (
                json!({"type": "TXT", "valueMatches": "^v=spf1"}),
                "NOERROR",
                &["x"],
                Err("answered x, of which none matches \"^v=spf1\""),
            ),
        ];
        for (asked, rcode, records, expected) in table {
            let ask = ask(&check(asked.clone()), "acme.dev").expect("a question");
            let records = records.iter().map(|&record| record.to_owned()).collect();
            let judged = ask.judge(&DnsAnswer { rcode: rcode.into(), records });
            assert_eq!(judged, expected.map_err(str::to_owned), "{asked}");
        }
        let many: Vec<_> = (0..9).map(|_| "x".repeat(100)).collect();
        assert_eq!(told(&many).chars().count(), 5 * 65 + 5 * 2 + "4 more".len(), "what is told has an end");
    }

    #[test]
    fn a_server_is_a_host_with_a_port_or_without() {
        for (text, expected) in [
            ("1.1.1.1", Some(("1.1.1.1", 53))),
            ("2606:4700::1111", Some(("2606:4700::1111", 53))),
            ("[2606:4700::1111]:5353", Some(("2606:4700::1111", 5353))),
            ("ns1.acme.dev", Some(("ns1.acme.dev", 53))),
            ("ns1.acme.dev:5353", Some(("ns1.acme.dev", 5353))),
            ("acme.dev:port", None),
            ("[", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(server(text).ok(), expected, "{text}");
        }
        let wrong = check(json!({"values": ["acme.dev"], "server": "a:b", "valueMatches": "("}));
        let fields: Vec<_> = faults(&wrong).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["values[0]", "server", "valueMatches"]);
    }
}
