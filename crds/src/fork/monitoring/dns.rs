use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One question to a DNS server, and what its answer must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.rcode == 'NOERROR' || !(has(self.values) || has(self.valueMatches) || has(self.minimumRecords))", "values, valueMatches and minimumRecords need the rcode NOERROR: with another one there are no records"),
    validation = Rule::new("!has(self.minimumRecords) || !has(self.maximumRecords) || self.minimumRecords <= self.maximumRecords").message("maximumRecords must be at least minimumRecords").field_path(".maximumRecords")
)]
pub struct DnsCheck {
    /// Name that is asked for; the product's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254), regex(pattern = r"^[A-Za-z0-9_*-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$"))]
    pub name: Option<String>,
    /// Records that are asked for. Those of another type, such as the CNAMEs on the way to an A, are passed over.
    #[serde(default, rename = "type")]
    pub record_type: DnsRecordType,
    /// `HOST` or `HOST:PORT` of the server that is asked (port 53 by default); by default those of the system, in
    /// `/etc/resolv.conf`, one after the other until one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 260), regex(pattern = r"^[A-Za-z0-9.:_\[\]-]+$"))]
    pub server: Option<String>,
    /// What the answer must say became of the question.
    #[serde(default)]
    pub rcode: DnsRcode,
    /// Records that the answer must have, each of them: `192.0.2.1`, `10 mail.example.com`. Case and a dot at the end
    /// count in TXT only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 512)))]
    pub values: Vec<String>,
    /// Regular expression that one record must match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub value_matches: Option<String>,
    /// Fewest records; 1 by default with NOERROR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub minimum_records: Option<i64>,
    /// Most records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub maximum_records: Option<i64>,
}

/// Type of DNS records.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum DnsRecordType {
    #[default]
    A,
    Aaaa,
    Caa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// What became of a DNS question.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum DnsRcode {
    /// The name is there, with such records or without.
    #[default]
    NoError,
    /// There is no such name.
    NxDomain,
    /// The server failed, as with signatures that are wrong.
    ServFail,
    /// The server does not answer for it.
    Refused,
}

impl DnsRecordType {
    /// As zone files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }
}

impl DnsRcode {
    /// As the registry of IANA has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NxDomain => "NXDOMAIN",
            Self::ServFail => "SERVFAIL",
            Self::Refused => "REFUSED",
        }
    }
}
