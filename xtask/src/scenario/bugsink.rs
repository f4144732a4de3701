//! Bugsink: a receiver of Sentry's protocol that is none of ours, on SQLite, in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::error::{During, Failure};
use crate::scenario::outcome::expect;
use crate::system::{Http, Service, free_addr, installed, until};

/// A team, a project, a token that may read everything.
const SET_UP: &str = "
from bsmain.models import AuthToken
from projects.models import Project
from teams.models import Team
project = Project.objects.create(name='obs', team=Team.objects.create(name='obs'))
print(project.id, project.dsn, AuthToken.create_full_access().token)
";

/// A running one.
pub(crate) struct Bugsink {
    pub(crate) dsn: String,
    process: Service,
    http: Http,
    api: String,
    project: String,
    _folder: TempDir,
}

/// Where its programs lie: in the folder `OBS_BUGSINK`, or by `PATH`.
pub(crate) fn programs() -> Option<PathBuf> {
    let folder = std::env::var_os("OBS_BUGSINK").map(PathBuf::from);
    let folder = folder.or_else(|| Some(installed("bugsink-manage")?.parent()?.to_owned()))?;
    folder.join("bugsink-manage").is_file().then_some(folder)
}

impl Bugsink {
    /// Makes a database with one project, and starts it on a free port of loopback.
    pub(crate) fn start(programs: &Path) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let addr = free_addr();
        let port = addr.port().to_string();
        let run =
            |program: &str, arguments: &[&str]| run(programs, folder.path(), program, arguments);
        let local = ["--template", "local", "--host", "127.0.0.1", "--port", &port];
        run("bugsink-create-conf", &local)?;
        let configuration = folder.path().join("bugsink_conf.py");
        let mut settings = std::fs::read_to_string(&configuration).during("its configuration")?;
        // It would tell its makers that it runs.
        settings.push_str("\nBUGSINK[\"PHONEHOME\"] = False\n");
        // Events are held against the protocol's schema.
        settings.push_str("BUGSINK[\"VALIDATE_ON_DIGEST\"] = \"strict\"\n");
        std::fs::write(&configuration, settings)?;
        run("bugsink-manage", &["migrate"])?;
        let said = run("bugsink-manage", &["shell", "-c", SET_UP])?;
        let words: Vec<&str> = said.lines().last().unwrap_or_default().split(' ').collect();
        let [project, dsn, token] = words[..] else {
            return Err(Failure::new(format!("bugsink made no project: {said}")));
        };
        let home = folder.path().display().to_string();
        let (bind, access_log) = (addr.to_string(), "-".to_owned());
        let gunicorn =
            ["--chdir", &home, "--bind", &bind, "--access-logfile", &access_log, "bugsink.wsgi"];
        let process = Service::start(
            "bugsink",
            &programs.join("gunicorn"),
            &gunicorn.map(str::to_owned),
            &[("HOME", home.clone())],
            None,
        )?;
        let this = Self {
            dsn: dsn.to_owned(),
            process,
            http: Http::new().bearer(token),
            api: format!("http://{addr}/api/canonical/0"),
            project: project.to_owned(),
            _folder: folder,
        };
        let up = until("bugsink answers", Duration::from_secs(120), || this.issues().ok());
        up.map_err(|failure| Failure::new(format!("{failure}: {}", this.process.errors())))?;
        Ok(this)
    }

    /// Every issue of the project.
    pub(crate) fn issues(&self) -> Result<Vec<Value>, Failure> {
        self.list(&format!("/issues/?project={}", self.project))
    }

    /// Every event of every issue, as it was received.
    pub(crate) fn events(&self) -> Result<Vec<Value>, Failure> {
        let mut events = Vec::new();
        for issue in self.issues()? {
            for event in self.list(&format!("/events/?issue={}", text(&issue, "id")))? {
                let detail = self.get(&format!("/events/{}/", text(&event, "id")))?;
                events.push(detail["data"].clone());
            }
        }
        Ok(events)
    }

    /// The lines of its access log.
    pub(crate) fn access_log(&self) -> Vec<String> {
        self.process.lines().into_iter().map(|line| line.text).collect()
    }

    fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let page = self.get(path)?;
        expect(page["next"].is_null(), "there are more events than a page of bugsink's")?;
        Ok(page["results"].as_array().cloned().unwrap_or_default())
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.http.get(&format!("{}{path}", self.api))?;
        let said = || format!("bugsink answered {}: {}", answer.status, answer.body);
        expect(answer.status == 200, &said())?;
        Ok(answer.json())
    }
}

/// Runs a program of its to the end; what it wrote.
fn run(programs: &Path, folder: &Path, name: &str, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new(programs.join(name));
    let output = command.args(arguments).current_dir(folder).output().during(name)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    expect(output.status.success(), &format!("{name}: {said}{errors}"))?;
    Ok(said)
}

pub(crate) fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}
