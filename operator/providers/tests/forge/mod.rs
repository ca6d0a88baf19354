//! The port to GitHub: its contract on the fake and on the adapter, and what only the adapter can get wrong.

mod actions;
mod adapter;
mod contract;
mod copies;
mod faults;
mod pulls;
mod runs;
mod said;
mod worlds;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Runs every test of the suite in both worlds.
macro_rules! in_both_worlds {
    ($($suite:ident::$test:ident,)*) => {
        mod fake {
            $(
                #[tokio::test]
                async fn $test() -> super::Outcome {
                    super::$suite::$test(&super::worlds::Fake::default()).await
                }
            )*
        }
        mod sandbox {
            $(
                #[tokio::test]
                async fn $test() -> super::Outcome {
                    super::$suite::$test(&super::worlds::Sandbox::start().await?).await
                }
            )*
        }
    };
}

in_both_worlds! {
    contract::a_generated_repository_gets_its_content_later,
    contract::a_taken_name_is_a_conflict,
    contract::what_nothing_can_be_made_from_is_refused,
    contract::a_repository_is_followed_by_its_id,
    contract::many_are_looked_at_in_the_order_of_the_asks,
    contract::settings_are_changed_one_by_one,
    contract::another_default_branch_is_chosen_or_the_present_one_renamed,
    contract::files_are_committed_on_the_head_that_was_seen,
    contract::a_ruleset_is_written_changed_and_deleted,
    contract::a_plan_without_rulesets_says_so,
    contract::an_archived_repository_is_read_only,
    contract::a_deleted_repository_is_gone_and_can_be_deleted_again,
    actions::environments_are_written_whole,
    actions::secrets_and_variables_live_in_their_places,
    actions::security_features_are_switched,
    pulls::open_pull_requests_are_seen_until_they_are_closed,
    pulls::one_comment_is_kept_up_to_date,
    runs::a_commit_is_taken_back_once,
    runs::a_run_is_begun_found_and_canceled,
    runs::what_reviewers_said_of_a_run_is_told,
    runs::a_file_is_read_as_a_branch_has_it,
    copies::a_fork_keeps_its_parent,
    copies::a_copy_has_the_tree_of_the_template_in_one_commit,
    copies::an_interrupted_copy_goes_on,
    said::checks_of_a_commit_stand_by_githubs_own_rule,
    said::reviews_are_those_of_the_merged_pull_request,
}
