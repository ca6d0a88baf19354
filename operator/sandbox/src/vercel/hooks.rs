//! A team's webhooks. <https://vercel.com/docs/webhooks/webhooks-api>

use serde_json::{Value, json};

use super::call::Call;
use super::ids;
use super::model::Webhook;
use super::problem::{Outcome, Problem, Reply};
use crate::VercelPlan;

/// `POST /v1/webhooks`: the only answer that tells the secret.
pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    if call.plan() == VercelPlan::Hobby {
        return Err(Problem::forbidden("Webhooks are available on the Pro and Enterprise plans."));
    }
    let strings = |value: &Value| serde_json::from_value(value.clone()).ok();
    let hook = Webhook {
        id: ids::random("hook_", 24),
        team: call.team.clone(),
        url: call.body["url"].as_str().unwrap_or_default().to_owned(),
        secret: ids::random("", 32),
        events: strings(&call.body["events"]).unwrap_or_default(),
        project_ids: strings(&call.body["projectIds"]),
        created_at: call.state.stamp(call.now),
    };
    let mut view = view(&hook);
    view["secret"] = json!(hook.secret);
    call.state.webhooks.insert(hook.id.clone(), hook);
    Ok(view.into())
}

/// `GET /v1/webhooks`.
#[expect(clippy::unnecessary_wraps, reason = "all routes have one signature")]
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let project = call.query("projectId");
    let kept = call.state.webhooks.values().filter(|hook| {
        let about = |id: &str| hook.project_ids.as_ref().is_none_or(|ids| ids.iter().any(|other| other == id));
        hook.team == call.team && project.is_none_or(about)
    });
    let rows = kept.map(|hook| {
        let mut view = view(hook);
        let projects = hook.project_ids.iter().flatten().filter_map(|id| call.state.projects.get(id));
        let projects: Vec<Value> =
            projects.map(|p| json!({ "id": p.id, "name": p.name, "updatedAt": p.updated_at })).collect();
        view["projectsMetadata"] = if hook.project_ids.is_some() { json!(projects) } else { Value::Null };
        view
    });
    Ok(Value::Array(rows.collect()).into())
}

/// `GET /v1/webhooks/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    Ok(view(find(call)?).into())
}

/// `DELETE /v1/webhooks/{id}`.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let id = find(call)?.id.clone();
    call.state.webhooks.remove(&id);
    Ok(Reply(204, Value::Null))
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a Webhook, Problem> {
    let hook = call.state.webhooks.get(call.path("id")).filter(|hook| hook.team == call.team);
    hook.ok_or_else(|| Problem::not_found("The webhook was not found."))
}

fn view(hook: &Webhook) -> Value {
    let mut view = json!({
        "id": hook.id,
        "url": hook.url,
        "events": hook.events,
        "ownerId": hook.team,
        "createdAt": hook.created_at,
        "updatedAt": hook.created_at,
    });
    if let Some(ids) = &hook.project_ids {
        view["projectIds"] = json!(ids);
    }
    view
}
