//! What exists in the sandbox, by name, and in a form that two runs can be compared in.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::World;

impl World {
    pub async fn find_repository(&self, full_name: &str) -> Option<Value> {
        let inventory = self.inventory().await;
        find(&inventory["github"]["repos"], "full_name", full_name)
    }

    pub async fn repository(&self, full_name: &str) -> Value {
        self.find_repository(full_name).await.unwrap_or_else(|| panic!("there is no repository {full_name}"))
    }

    pub async fn find_project(&self, name: &str) -> Option<Value> {
        let inventory = self.inventory().await;
        find(&inventory["vercel"]["projects"], "name", name)
    }

    pub async fn project(&self, name: &str) -> Value {
        self.find_project(name).await.unwrap_or_else(|| panic!("there is no project {name}"))
    }

    pub async fn find_variable(&self, project: &str, key: &str) -> Option<Value> {
        find(&self.project(project).await["env"], "key", key)
    }

    pub async fn variable(&self, project: &str, key: &str) -> Value {
        self.find_variable(project, key).await.unwrap_or_else(|| panic!("{project} has no variable {key}"))
    }

    pub async fn domain_names(&self, project: &str) -> Vec<String> {
        names(&self.project(project).await["domains"], "name")
    }

    /// A person pushes one file to the default branch; tells the new head.
    pub async fn push_file(&self, repository: &str, path: &str, text: &str) -> String {
        let sha = self
            .find_repository(repository)
            .await
            .and_then(|repository| repository["files"].get(path).cloned())
            .and_then(|text| text.as_str().map(blob_sha));
        let body = json!({ "message": format!("Change {path}"), "content": BASE64_STANDARD.encode(text), "sha": sha });
        let body = body.as_object().expect("an object").iter().filter(|(_, value)| !value.is_null());
        let body: Value =
            body.map(|(key, value)| (key.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into();
        let answer =
            self.person("github", Method::PUT, &format!("/repos/{repository}/contents/{path}"), Some(body)).await;
        answer["commit"]["sha"].as_str().expect("a commit").to_owned()
    }

    /// Everything that Forkable made, without ids and times: equal for two runs that came to the same end.
    pub async fn summary(&self) -> Value {
        let inventory = self.inventory().await;
        let repositories = entries(&inventory["github"]["repos"])
            .filter(|repository| text(repository, "full_name").starts_with("acme-inc/"))
            .map(repository);
        let projects = entries(&inventory["vercel"]["projects"])
            .filter(|project| text(project, "name") != "other-site")
            .map(project);
        json!({
            "repositories": sorted(repositories),
            "projects": sorted(projects),
            "deleted": entries(&inventory["github"]["deleted"]).count(),
        })
    }
}

fn repository(repository: &Value) -> Value {
    let rulesets = entries(&repository["rulesets"]).map(
        |ruleset| json!({ "name": ruleset["name"], "enforcement": ruleset["enforcement"], "rules": ruleset["rules"] }),
    );
    json!({
        "full_name": repository["full_name"],
        "archived": repository["archived"],
        "visibility": repository["visibility"],
        "description": repository["description"],
        "files": without_ids(&repository["files"]),
        "rulesets": sorted(rulesets),
    })
}

fn project(project: &Value) -> Value {
    let env = entries(&project["env"]).map(|row| {
        // What is generated is another one in every run.
        let value = if row["type"] == "sensitive" { Value::Null } else { row["value"].clone() };
        json!({ "key": row["key"], "target": row["target"], "branch": row["gitBranch"], "type": row["type"], "value": value })
    });
    let domains = entries(&project["domains"]).map(|domain| {
        json!({ "name": domain["name"], "redirect": domain["redirect"], "serves": !domain["deployment"].is_null() })
    });
    let deployments = entries(&project["deployments"])
        .map(|deployment| json!({ "state": deployment["state"], "target": deployment["target"] }));
    json!({
        "name": project["name"],
        "settings": project["settings"],
        "paused": project["paused"],
        "env": sorted(env),
        "domains": sorted(domains),
        "deployments": sorted(deployments),
    })
}

fn sorted(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut values: Vec<_> = values.collect();
    values.sort_by_cached_key(Value::to_string);
    values
}

/// The marker file names the Fork's uid, which every run makes anew.
fn without_ids(files: &Value) -> Value {
    let mut files = files.clone();
    if let Some(marker) = files.get_mut(".forkable.yaml") {
        *marker = Value::Bool(true);
    }
    files
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn find(list: &Value, field: &str, wanted: &str) -> Option<Value> {
    entries(list).find(|entry| entry[field] == wanted).cloned()
}

fn names(list: &Value, field: &str) -> Vec<String> {
    entries(list).map(|entry| text(entry, field).to_owned()).collect()
}

fn blob_sha(text: &str) -> String {
    hex::encode(Sha1::digest([format!("blob {}\0", text.len()).as_bytes(), text.as_bytes()].concat()))
}
