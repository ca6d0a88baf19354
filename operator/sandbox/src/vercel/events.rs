//! Vercel's webhooks: the envelope, and who gets it.

use serde_json::{Value, json};

use super::model::{Millis, Project, State};
use crate::requests::Provider;
use crate::webhooks::{Event, Receiver};

impl State {
    /// Queues an event of `team`; `payload` is added to the envelope's.
    pub fn emit(&mut self, name: &str, team: &str, project: Option<&Project>, payload: Value, now: Millis) {
        let mut body = json!({ "team": { "id": team } });
        if let Some(project) = project {
            body["project"] = json!({ "id": project.id, "name": project.name });
        }
        if let (Value::Object(body), Value::Object(payload)) = (&mut body, payload) {
            body.extend(payload);
        }
        let wanted = |hook: &&super::model::Webhook| {
            hook.team == team
                && hook.events.iter().any(|event| event == name)
                && hook.project_ids.as_ref().is_none_or(|ids| project.is_some_and(|p| ids.contains(&p.id)))
        };
        let receivers = self.webhooks.values().filter(wanted);
        let receivers = receivers.map(|hook| Receiver { url: hook.url.clone(), secret: Some(hook.secret.clone()) });
        let receivers = receivers.collect();
        let payload = json!({
            "id": super::ids::random("evt_", 24),
            "type": name,
            "createdAt": now,
            "region": null,
            "payload": body,
        });
        self.outbox.push(Event { provider: Provider::Vercel, name: name.to_owned(), payload, receivers });
    }

    /// Queues an event about a deployment.
    pub fn emit_deployment(&mut self, name: &str, id: &str, now: Millis) {
        let deployment = &self.deployments[id];
        let target = deployment.production.then_some("production");
        let payload = json!({
            "user": { "id": deployment.creator },
            "deployment": {
                "id": deployment.id,
                "url": deployment.url,
                "name": deployment.name,
                "meta": deployment.meta,
                "customEnvironmentId": deployment.custom_environment,
            },
            "target": target,
            "plan": null,
            "regions": ["iad1"],
            "links": {
                "deployment": format!("https://vercel.com/{}/{}/{}", deployment.team, deployment.name, deployment.id),
                "project": format!("https://vercel.com/{}/{}", deployment.team, deployment.name),
            },
        });
        let team = deployment.team.clone();
        let project = self.projects.get(&deployment.project).cloned();
        self.emit(name, &team, project.as_ref(), payload, now);
    }
}
