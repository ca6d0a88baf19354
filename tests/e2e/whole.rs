//! A cluster with the chart in it as people use it, from the first `helm install` on. In the end the audit log says
//! whether the controller's rights were just what it needed.

use std::collections::BTreeMap;

use forkable_tests::Cluster;

use crate::{examples, installed::Installed, operations, rights, shards};

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_serves_a_whole_cluster() {
    let began = std::time::Instant::now();
    let done = |what: &str| println!("{:6.1?}  {what}", began.elapsed());
    let cluster = Cluster::start().await;
    let installed = Installed::everywhere(&cluster).await;
    let controller = installed.working().await;
    done("installed");
    let forks = examples::become_what_they_say(&installed).await;
    done("every example is what it says");
    operations::a_rotated_secret_is_picked_up(&installed).await;
    operations::edits_meet_a_controller_that_writes(&installed).await;
    operations::secrets_grow_and_history_is_cut(&installed).await;
    operations::a_namespace_goes_with_forks_of_each_policy(&installed).await;
    done("operations");
    let controller = shards::share_the_fleet(&installed, controller).await;
    done("shards");
    rights::are_those_that_were_used(&installed).await;
    nothing_was_made_twice(&installed, forks.len()).await;
    controller.stop().await;
}

/// Whatever happened: one repository and one project for each Fork.
async fn nothing_was_made_twice(installed: &Installed<'_>, forks: usize) {
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for call in installed.space.world.calls().await {
        let makes = call.operation.contains("generate") || call.operation.ends_with("/projects") && call.write;
        if makes && call.committed {
            *made.entry(format!("{} {} {}", call.operation, call.path, call.body["name"])).or_default() += 1;
        }
    }
    assert!(made.len() > forks, "{made:#?}");
    let twice: Vec<_> = made.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}
