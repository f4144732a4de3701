//! Grafana's JSON of the dashboards.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::assets::panels::{DASHBOARDS, Dashboard, Panel};
use crate::system::workspace;

/// File and text of each dashboard.
pub(crate) fn files() -> Vec<(PathBuf, String)> {
    let folder = workspace().join("docs/deploy/grafana/dashboards");
    let file = |dashboard: &Dashboard| {
        (folder.join(format!("{}.json", dashboard.uid)), format!("{:#}\n", document(dashboard)))
    };
    DASHBOARDS.iter().map(file).collect()
}

/// Dashboard, panel, expression and legend of each line; Grafana's variables have a value.
pub(crate) fn queries() -> Vec<(String, String, &'static str)> {
    let mut queries = Vec::new();
    for dashboard in &DASHBOARDS {
        for panel in dashboard.rows.iter().flat_map(|(_, panels)| *panels) {
            for (expression, legend) in panel.lines {
                let mut expression =
                    expression.replace("$__rate_interval", "5m").replace("$job", ".*");
                for (name, _, default) in dashboard.values {
                    expression = expression.replace(&format!("${name}"), default);
                }
                let place = format!("dashboard {}, {:?}", dashboard.uid, panel.title);
                queries.push((place, expression, *legend));
            }
        }
    }
    queries
}

fn document(dashboard: &Dashboard) -> Value {
    let mut panels = Vec::new();
    let (mut x, mut y, mut id) = (0, 0, 0);
    for (title, row) in dashboard.rows {
        id += 1;
        panels.push(json!({
            "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": y, "w": 24, "h": 1 },
        }));
        y += 1;
        for each in *row {
            if x + each.width > 24 {
                (x, y) = (0, y + 8);
            }
            id += 1;
            panels.push(panel(each, id, x, y));
            x += each.width;
        }
        (x, y) = (0, y + 8);
    }
    json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["obs"],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "links": [{
            "type": "dashboards", "title": "obs", "tags": ["obs"], "asDropdown": true,
            "includeVars": true, "keepTime": true,
        }],
        "templating": { "list": variables(dashboard) },
        "annotations": { "list": [{
            "name": "alerts", "enable": true, "iconColor": "red", "datasource": source(),
            "expr": "ALERTS{alertstate=\"firing\", job=~\"$job\"}", "titleFormat": "{{alertname}}",
            "textFormat": "{{job}} {{instance}}",
        }] },
        "panels": panels,
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn variables(dashboard: &Dashboard) -> Vec<Value> {
    let mut list = vec![
        json!({
            "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus",
            "current": { "text": "Prometheus", "value": "prometheus" },
        }),
        json!({
            "name": "job", "type": "query", "label": "service", "datasource": source(),
            "query": { "query": "label_values(health_ready, job)", "refId": "job" },
            "refresh": 2, "multi": true, "includeAll": true, "allValue": ".*", "sort": 1,
            "current": { "text": "All", "value": "$__all" },
        }),
    ];
    list.extend(dashboard.values.iter().map(|(name, label, default)| {
        json!({
            "name": name, "type": "textbox", "label": label, "query": default,
            "current": { "text": default, "value": default },
        })
    }));
    list
}

fn panel(panel: &Panel, id: u32, x: u32, y: u32) -> Value {
    let is_number = panel.width <= 6;
    let target = |(at, (expression, legend)): (usize, &(&str, &str))| {
        json!({
            "refId": char::from(b'A' + (at % 26) as u8).to_string(), "datasource": source(),
            "expr": expression, "legendFormat": legend, "exemplar": panel.exemplars,
            "range": !is_number, "instant": is_number,
        })
    };
    let targets: Vec<_> = panel.lines.iter().enumerate().map(target).collect();
    json!({
        "id": id,
        "type": if is_number { "stat" } else { "timeseries" },
        "title": panel.title,
        "datasource": source(),
        "gridPos": { "x": x, "y": y, "w": panel.width, "h": 8 },
        "targets": targets,
        "fieldConfig": { "defaults": { "unit": panel.unit, "min": 0, "links": links() }, "overrides": [] },
        "options": match is_number {
            true => json!({ "reduceOptions": { "calcs": ["lastNotNull"] }, "textMode": "value_and_name" }),
            false => json!({
                "tooltip": { "mode": "multi", "sort": "desc" },
                "legend": { "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"] },
            }),
        },
    })
}

/// From a line to the traces and the lines of its service, at the time of the graph.
fn links() -> Vec<Value> {
    let explore = |title: &str, source: &str, query: Value| {
        let panes = json!({ "a": {
            "datasource": source,
            "queries": [query],
            "range": { "from": "${__from}", "to": "${__to}" },
        } });
        json!({
            "title": title, "targetBlank": true,
            "url": format!("/explore?schemaVersion=1&orgId=1&panes={panes}"),
        })
    };
    vec![
        explore(
            "traces of ${__field.labels.job}",
            "tempo",
            json!({
                "refId": "A", "datasource": { "type": "tempo", "uid": "tempo" }, "queryType": "traceql",
                "query": "{resource.service.name=\"${__field.labels.job}\"}",
            }),
        ),
        explore(
            "log lines of ${__field.labels.job}",
            "loki",
            json!({
                "refId": "A", "datasource": { "type": "loki", "uid": "loki" },
                "expr": "{service_name=\"${__field.labels.job}\"}",
            }),
        ),
    ]
}
