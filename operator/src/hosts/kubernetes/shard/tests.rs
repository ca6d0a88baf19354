use serde_json::json;

use super::*;

pub(super) fn fork(name: &str, label: Option<&str>) -> Fork {
    let labels = label.map(|label| json!({ SHARD_LABEL: label }));
    serde_json::from_value(json!({
        "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork",
        "metadata": { "name": name, "namespace": "default", "labels": labels },
        "spec": {
            "template": { "owner": "forkable-ai", "repo": "framework" },
            "repository": { "owner": "acme-inc", "name": "acme" },
            "project": { "name": "acme" },
        },
    }))
    .expect("a Fork")
}

fn shard(text: &str) -> Shard {
    text.parse().expect("a shard")
}

#[test]
fn every_object_belongs_to_one_shard_of_each_number() {
    for count in [1, 2, 3, 7] {
        let shards: Vec<_> = (1..=count).map(|index| Owner::Shard(Shard { index, count })).collect();
        let mut sizes = vec![0; shards.len()];
        for n in 0..300 {
            let fork = fork(&format!("fork-{n}"), None);
            let fitting: Vec<_> = (0..shards.len()).filter(|index| shards[*index].fits(&fork)).collect();
            assert_eq!(fitting.len(), 1, "fork-{n} of {count}");
            sizes[fitting[0]] += 1;
        }
        let fair = 300 / shards.len();
        assert!(sizes.iter().all(|size| *size > fair / 2), "{sizes:?}");
    }
}

#[test]
fn where_an_object_belongs_never_changes() {
    assert_eq!(place("default", "acme"), 0xcb0b_dcce_2455_f08b);
}

#[test]
fn a_deployment_belongs_where_its_fork_does() {
    for n in 0..50 {
        let fork = fork(&format!("fork-{n}"), None);
        let release: Deployment = serde_json::from_value(json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Deployment",
            "metadata": { "name": format!("release-{n}"), "namespace": "default" },
            "spec": { "forkRef": { "name": format!("fork-{n}") }, "source": { "ref": "main" } },
        }))
        .expect("a Deployment");
        for index in 1..=3 {
            let owner = Owner::Shard(Shard { index, count: 3 });
            assert_eq!(owner.fits(&fork), owner.fits(&release), "{n}");
        }
    }
}

#[test]
fn labels_name_their_owner() {
    let owners = [Owner::Whole, Owner::Shard(shard("1/1")), Owner::Shard(shard("2/3"))];
    for owner in owners {
        assert_eq!(Owner::of(&fork("acme", owner.label().as_deref())), owner);
    }
    for label in ["", "2", "0-of-3", "4-of-3", "02-of-3", "a-of-b", "2-of-3-of-4"] {
        let owner = Owner::of(&fork("acme", Some(label)));
        assert_eq!(owner, Owner::Nobody(label.into()));
        assert_eq!(owner.lease(), None);
    }
    assert_eq!(lease(None), "forkable");
    assert_eq!(lease(Some(shard("2/3"))), "forkable-shard-2-of-3");
}

#[test]
fn what_is_no_shard_is_refused() {
    for text in ["", "1", "0/3", "4/3", "1/0", "a/b", "1/2/3", "1/2000"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
}
