//! The port to Vercel: its contract on the fake and on the adapter, and what only the adapter can get wrong.

mod adapter;
mod contract;
mod domains;
mod env;
mod promotion;
mod steps;
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
    contract::a_project_is_absent_until_it_is_made,
    contract::a_taken_name_is_a_conflict,
    contract::a_repository_that_cannot_be_seen_is_refused,
    contract::settings_are_changed_and_cleared_one_by_one,
    contract::many_are_looked_at_in_the_order_of_the_asks,
    contract::the_link_and_its_branch_are_replaced,
    contract::custom_environments_are_made_once,
    contract::a_build_is_found_again_by_its_request,
    contract::a_failed_build_says_why,
    contract::what_a_deployment_logs_is_followed,
    contract::a_cancelled_build_stays_cancelled,
    contract::visitors_are_challenged_for_a_while,
    contract::a_deleted_project_is_gone_and_can_be_deleted_again,
    promotion::a_deleted_build_is_gone,
    promotion::what_is_promoted_serves_and_can_be_rolled_back,
    steps::visitors_are_led_to_a_canary_step_by_step,
    steps::a_plan_without_steps_says_so,
    env::a_variable_keeps_its_row_through_changes,
    env::variables_are_told_apart_by_environment_and_branch,
    env::variables_of_custom_environments_name_them_by_id,
    env::a_refused_variable_is_named_and_the_others_are_written,
    domains::a_domain_is_added_once_and_led_by_records,
    domains::a_redirect_needs_its_target,
    domains::a_domain_of_another_project_is_a_conflict,
    domains::a_domain_of_another_team_has_to_be_proved,
    domains::a_domain_moves_to_an_environment_and_back,
}
