//! Teams and the caller's account.

use serde_json::{Value, json};

use super::call::Call;
use super::model::Team;
use super::plans;
use super::problem::{Outcome, Problem};

/// `GET /v2/teams`: those the token is a member of.
#[expect(clippy::unnecessary_wraps, reason = "all routes have one signature")]
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let teams = call.token.teams.iter().filter_map(|id| call.state.teams.get(id));
    let rows: Vec<Value> = teams.map(|team| view(call, team)).collect();
    let pagination = json!({ "count": rows.len(), "next": null, "prev": null });
    Ok(json!({ "teams": rows, "pagination": pagination }).into())
}

/// `GET /v2/teams/{teamId}`, by id or slug.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let wanted = call.path("teamId");
    let mut own = call.token.teams.iter().filter_map(|id| call.state.teams.get(id));
    let found = own.find(|team| team.id == wanted || team.slug == wanted);
    let found = found.ok_or_else(|| Problem::forbidden("Not authorized").with("teamId", wanted))?;
    Ok(view(call, found).into())
}

/// `GET /v2/user`.
#[expect(clippy::unnecessary_wraps, reason = "all routes have one signature")]
pub(super) fn user(call: &mut Call<'_>) -> Outcome {
    let login = &call.token.login;
    let user = json!({
        "id": call.user,
        "username": login,
        "name": login,
        "email": format!("{login}@example.com"),
        "avatar": null,
        "createdAt": call.state.teams[super::model::HOME_TEAM].created_at,
        "defaultTeamId": call.token.teams.first(),
        "billing": null,
        "softBlock": null,
        "hasTrialAvailable": false,
        "resourceConfig": {},
        "stagingPrefix": "stage",
        "version": "northstar",
    });
    Ok(json!({ "user": user }).into())
}

fn view(call: &Call<'_>, team: &Team) -> Value {
    let plan = plans::name(super::builds::plan(call.settings, &team.id));
    json!({
        "id": team.id,
        "slug": team.slug,
        "name": team.name,
        "avatar": null,
        "description": null,
        "createdAt": team.created_at,
        "updatedAt": team.created_at,
        "creatorId": call.user,
        "stagingPrefix": "stage",
        "resourceConfig": {},
        "billing": { "plan": plan, "period": null, "status": "active" },
        "membership": {
            "uid": call.user,
            "role": call.role(),
            "teamId": team.id,
            "confirmed": true,
            "confirmedAt": team.created_at,
            "createdAt": team.created_at,
            "created": team.created_at,
        },
    })
}
