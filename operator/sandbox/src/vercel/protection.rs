//! Secrets that let automation pass deployment protection.

use serde_json::{Value, json};

use super::call::Call;
use super::ids;
use super::model::{AttackMode, Bypass, Project};
use super::problem::{Outcome, Problem};

/// `PATCH /v1/projects/{idOrName}/protection-bypass`; an empty body makes another secret.
pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let body = call.body.clone();
    let known = |project: &Project, secret: &Value| -> Result<String, Problem> {
        let secret = secret.as_str().unwrap_or_default();
        let missing = || Problem::not_found("The protection bypass was not found.");
        project.bypass.contains_key(secret).then(|| secret.to_owned()).ok_or_else(missing)
    };
    let revoke = &body["revoke"];
    if revoke.is_object() {
        let secret = known(&project, &revoke["secret"])?;
        let old = project.bypass.remove(&secret);
        if revoke["regenerate"] == true {
            let note = old.and_then(|old| old.note);
            generate(call, &mut project, ids::random("", 32), note)?;
        }
    }
    let change = &body["update"];
    if change.is_object() {
        let secret = known(&project, &change["secret"])?;
        if change["isEnvVar"] == true {
            project.bypass.values_mut().for_each(|bypass| bypass.is_env_var = false);
        }
        let bypass = project.bypass.get_mut(&secret).expect("it is known");
        bypass.is_env_var |= change["isEnvVar"] == true;
        if let Some(note) = change["note"].as_str() {
            bypass.note = Some(note.to_owned());
        }
    }
    if body["generate"].is_object() || (revoke.is_null() && change.is_null()) {
        let secret = body["generate"]["secret"].as_str().map_or_else(|| ids::random("", 32), str::to_owned);
        let note = body["generate"]["note"].as_str().map(str::to_owned);
        generate(call, &mut project, secret, note)?;
    }
    let answer = json!({ "protectionBypass": project.bypass });
    call.save(project);
    Ok(answer.into())
}

/// `POST /v1/security/attack-mode`: visitors get a challenge in place of the page.
pub(super) fn attack_mode(call: &mut Call<'_>) -> Outcome {
    let body = call.body.clone();
    let mut project = call.project_named(body["projectId"].as_str().unwrap_or_default())?.clone();
    let until = body["attackModeActiveUntil"].as_i64();
    if until.is_some_and(|until| until <= call.now) {
        return Err(Problem::bad_request("Invalid request: `attackModeActiveUntil` should be in the future."));
    }
    project.attack_mode =
        (body["attackModeEnabled"] == true).then_some(AttackMode { active_until: until, updated_at: call.now });
    let answer = json!({ "attackModeEnabled": body["attackModeEnabled"], "attackModeUpdatedAt": call.now });
    call.state.challenged.insert(project.id.clone());
    call.save(project);
    Ok(answer.into())
}

/// Adds a secret; the first one of a project is its environment variable.
fn generate(call: &Call<'_>, project: &mut Project, secret: String, note: Option<String>) -> Result<(), Problem> {
    if project.bypass.contains_key(&secret) {
        return Err(Problem::new(409, "conflict", "The protection bypass secret already exists."));
    }
    let bypass = Bypass {
        created_at: call.now,
        created_by: call.user.clone(),
        scope: "automation-bypass".to_owned(),
        is_env_var: !project.bypass.values().any(|other| other.is_env_var),
        note,
    };
    project.bypass.insert(secret, bypass);
    Ok(())
}
