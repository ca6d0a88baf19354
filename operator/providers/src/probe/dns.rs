//! One question to a DNS server: over UDP, and over TCP if the answer is too long for that.

use std::{net::SocketAddr, time::Duration};

use forkable_core::monitoring::{DnsAnswer, DnsAsk};
use forkable_crds::fork::DnsRecordType;
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
    time::timeout,
};

use super::{Run, add, connect, io_cause, resolve};

/// How long a server may be silent before the next one is asked, as what goes over UDP may be lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest message over UDP, in bytes.
const LARGEST: usize = 65_535;
const PORT: u16 = 53;

/// Asks the servers one after the other until one of them answers.
pub(super) async fn exchange(ask: &DnsAsk, run: &mut Run) -> Result<DnsAnswer, String> {
    let mut name = Name::from_ascii(&ask.name).map_err(|error| format!("{} is no name: {error}", ask.name))?;
    name.set_fqdn(true);
    let query = Query::query(name, record_type(ask.record_type));
    let servers = match &ask.server {
        Some(server) => vec![server.clone()],
        None => of_system().await,
    };
    let mut failed = 0;
    for (host, port) in servers.iter().cycle() {
        match ask_one(&query, host, *port, run).await {
            Ok(Some(message)) => return Ok(answer(query.query_type(), &message)),
            // Silent; the whole run has an end.
            Ok(None) => {}
            Err(error) => {
                failed += 1;
                if failed >= servers.len() {
                    return Err(error);
                }
            }
        }
    }
    Err("there is no server to ask".into())
}

fn record_type(of: DnsRecordType) -> RecordType {
    match of {
        DnsRecordType::A => RecordType::A,
        DnsRecordType::Aaaa => RecordType::AAAA,
        DnsRecordType::Caa => RecordType::CAA,
        DnsRecordType::Cname => RecordType::CNAME,
        DnsRecordType::Mx => RecordType::MX,
        DnsRecordType::Ns => RecordType::NS,
        DnsRecordType::Ptr => RecordType::PTR,
        DnsRecordType::Soa => RecordType::SOA,
        DnsRecordType::Srv => RecordType::SRV,
        DnsRecordType::Txt => RecordType::TXT,
    }
}

fn answer(asked: RecordType, message: &Message) -> DnsAnswer {
    let records = message.answers.iter().filter(|record| record.record_type() == asked);
    let rcode = message.metadata.response_code;
    DnsAnswer {
        rcode: rcode_name(rcode).unwrap_or_else(|| format!("rcode {}", u16::from(rcode))),
        records: records.map(|record| record.data.to_string()).collect(),
    }
}

/// As the registry of IANA has it, of those that servers give.
fn rcode_name(rcode: hickory_proto::op::ResponseCode) -> Option<String> {
    let name = match u16::from(rcode) {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => return None,
    };
    Some(name.into())
}

/// The servers of `/etc/resolv.conf`, which on another network are others.
async fn of_system() -> Vec<(String, u16)> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default();
    let servers = name_servers(&text);
    // As the C library has it.
    if servers.is_empty() { vec![("127.0.0.1".into(), PORT)] } else { servers }
}

fn name_servers(text: &str) -> Vec<(String, u16)> {
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver").and_then(|_| Some((words.next()?.to_owned(), PORT)))
    };
    text.lines().filter_map(of).collect()
}

/// The answer of a server; `None` if it was silent.
async fn ask_one(query: &Query, host: &str, port: u16, run: &mut Run) -> Result<Option<Message>, String> {
    let mut question = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(query.clone());
    let bytes = question.to_vec().map_err(|error| format!("{} cannot be asked for: {error}", query.name()))?;
    let broken = |error: &std::io::Error| format!("{host}:{port} cannot be asked: {}", io_cause(error));
    let addresses = resolve(host, port, run).await?;
    let address = *addresses.first().ok_or_else(|| format!("{host} cannot be resolved: it has no address"))?;
    let began = run.begin("connect");
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(|error| broken(&error))?;
    socket.connect(address).await.map_err(|error| broken(&error))?;
    add(&mut run.phases.connect, began);
    let began = run.begin("wait for an answer");
    let heard = async {
        socket.send(&bytes).await?;
        let mut buffer = vec![0; LARGEST];
        loop {
            let length = socket.recv(&mut buffer).await?;
            // Anybody may send something there: only what belongs to the question is an answer.
            let message = Message::from_vec(&buffer[..length]).ok().filter(|message| fits(message, &question));
            if let Some(message) = message {
                return Ok(message);
            }
        }
    };
    let heard = timeout(PATIENCE, heard).await;
    add(&mut run.phases.processing, began);
    match heard {
        Err(_) => Ok(None),
        Ok(Err(error)) => Err(broken(&error)),
        Ok(Ok(message)) if message.metadata.truncation => over_tcp(&question, &bytes, host, port, run).await.map(Some),
        Ok(Ok(message)) => Ok(Some(message)),
    }
}

fn fits(message: &Message, question: &Message) -> bool {
    message.metadata.id == question.metadata.id
        && message.metadata.message_type == MessageType::Response
        // A server that cannot read the question says so without it.
        && (message.queries.is_empty() || message.queries == question.queries)
}

async fn over_tcp(question: &Message, bytes: &[u8], host: &str, port: u16, run: &mut Run) -> Result<Message, String> {
    let mut connection = connect(host, port, run).await?;
    let began = run.begin("wait for an answer");
    let heard = async {
        let length = u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
        connection.write_all(&[&length, bytes].concat()).await?;
        let length = connection.read_u16().await?;
        let mut buffer = vec![0; length.into()];
        connection.read_exact(&mut buffer).await?;
        std::io::Result::Ok(buffer)
    };
    let heard = heard.await.map_err(|error| format!("the connection broke: {}", io_cause(&error)));
    add(&mut run.phases.processing, began);
    let message = Message::from_vec(&heard?).ok().filter(|message| fits(message, question));
    message.ok_or_else(|| format!("{host}:{port} answered something else"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use forkable_core::{monitoring::Prober as _, store::ObjectRef};
    use hickory_proto::{
        op::ResponseCode,
        rr::{RData, Record, rdata},
    };
    use tokio::net::TcpListener;

    use super::*;
    use crate::probe::NetworkProber;

    /// What a server answers to a question, over UDP or not.
    type Answers = fn(&mut Message, bool);

    fn answered(bytes: &[u8], answers: Answers, over_udp: bool) -> Vec<u8> {
        let question = Message::from_vec(bytes).expect("a question");
        let mut message = question.into_response();
        answers(&mut message, over_udp);
        message.to_vec().expect("a message")
    }

    /// A server on one port of UDP and TCP, that first sends what belongs to no question.
    async fn serve(answers: Answers) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let socket = UdpSocket::bind(address).await.expect("the same port");
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let mut stray = Message::from_vec(&buffer[..length]).expect("a question").into_response();
                stray.metadata.id = stray.metadata.id.wrapping_add(1);
                for bytes in [stray.to_vec().expect("a message"), answered(&buffer[..length], answers, true)] {
                    socket.send_to(&bytes, from).await.expect("it is sent");
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut bytes = vec![0; connection.read_u16().await.expect("a length").into()];
                connection.read_exact(&mut bytes).await.expect("a question");
                let bytes = answered(&bytes, answers, false);
                connection.write_u16(u16::try_from(bytes.len()).expect("short")).await.expect("it is sent");
                connection.write_all(&bytes).await.expect("it is sent");
            }
        });
        address
    }

    /// The run of a probe of a Fork whose product is acme.dev.
    async fn probe(check: serde_json::Value) -> forkable_core::monitoring::Finding {
        let spec = serde_json::json!({
            "template": {"owner": "o", "repo": "t"}, "repository": {"owner": "o", "name": "acme"},
            "project": {"name": "acme"}, "monitoring": {"probes": [{"name": "name", "dns": check}]},
        });
        let mut fork = forkable_crds::Fork::new("acme", serde_json::from_value(spec).expect("a spec"));
        let status =
            serde_json::json!({"url": "https://acme.dev", "currentRelease": {"name": "acme-1", "commit": "a"}});
        fork.status = Some(serde_json::from_value(status).expect("a status"));
        let targets = forkable_core::monitoring::targets(&fork, &std::collections::BTreeMap::new());
        assert_eq!(targets[0].series.fork, ObjectRef::new("Fork", "default", "acme"));
        let ask = targets[0].ask.as_ref().expect("it can be asked");
        NetworkProber::new(None, &[]).expect("a prober").probe(ask, Duration::from_secs(5)).await
    }

    fn address(message: &mut Message) {
        let name = message.queries[0].name().clone();
        let alias = Name::from_ascii("edge.vercel.dev.").expect("a name");
        message.add_answer(Record::from_rdata(name, 60, RData::CNAME(rdata::CNAME(alias.clone()))));
        message.add_answer(Record::from_rdata(alias, 60, RData::A(Ipv4Addr::new(192, 0, 2, 1).into())));
    }

    #[tokio::test]
    async fn a_server_is_asked_for_the_product_and_its_answer_is_timed_and_judged() {
        let server = serve(|message, _| address(message)).await.to_string();
        let found = probe(serde_json::json!({"server": server, "values": ["192.0.2.1"], "maximumRecords": 1})).await;
        assert_eq!(found.result, Ok(()), "an alias on the way is no address");
        assert!(found.latency.is_some() && found.phases.connect.is_some() && found.phases.processing.is_some());
        let found = probe(serde_json::json!({"server": server, "values": ["192.0.2.2"]})).await;
        assert_eq!(found.result, Err("answered 192.0.2.1, without 192.0.2.2".into()));
        assert!(found.latency.is_some(), "it was an answer");
        let found = probe(serde_json::json!({"server": server, "type": "CNAME", "values": ["Edge.Vercel.dev"]})).await;
        assert_eq!(found.result, Ok(()));
        let none = serve(|message, _| message.metadata.response_code = ResponseCode::NXDomain).await.to_string();
        let found = probe(serde_json::json!({"server": none})).await;
        assert_eq!(found.result, Err("answered NXDOMAIN instead of NOERROR".into()));
        assert_eq!(probe(serde_json::json!({"server": none, "rcode": "NXDOMAIN"})).await.result, Ok(()));
    }

    #[tokio::test]
    async fn what_is_too_long_for_udp_comes_over_tcp() {
        let server = serve(|message, over_udp| {
            message.metadata.truncation = over_udp;
            let name = message.queries[0].name().clone();
            for number in 0..if over_udp { 0 } else { 40 } {
                let text = rdata::TXT::new(vec![format!("{number} {}", "x".repeat(100))]);
                message.add_answer(Record::from_rdata(name.clone(), 60, RData::TXT(text)));
            }
        });
        let server = server.await.to_string();
        let check =
            serde_json::json!({"server": server, "type": "TXT", "minimumRecords": 40, "valueMatches": "^39 x+$"});
        assert_eq!(probe(check).await.result, Ok(()));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_said() {
        let free = UdpSocket::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let found = probe(serde_json::json!({"server": free.to_string()})).await;
        assert_eq!(found.result, Err(format!("{free} cannot be asked: Connection refused")));
        assert!(found.latency.is_none());
    }

    #[test]
    fn the_servers_of_the_system_are_those_of_its_file() {
        let text = "# a\nsearch dev\nnameserver 10.0.0.2\n nameserver fe80::1%eth0 # b\nnameserver\noptions ndots:5\n";
        let expected = [("10.0.0.2".to_owned(), 53), ("fe80::1%eth0".to_owned(), 53)];
        assert_eq!(name_servers(text), expected);
    }
}
