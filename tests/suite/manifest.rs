//! What `deploy/` promises: the manifest rule by rule, and its paths and settings on the real program.

use std::collections::BTreeSet;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::house::House;

/// Every kind that the manifest may hold, with the version that Kubernetes 1.25 and later serve.
const KINDS: [(&str, &str); 8] = [
    ("Namespace", "v1"),
    ("ServiceAccount", "v1"),
    ("ConfigMap", "v1"),
    ("Service", "v1"),
    ("Service", "v1"),
    ("StatefulSet", "apps/v1"),
    ("NetworkPolicy", "networking.k8s.io/v1"),
    ("PodDisruptionBudget", "policy/v1"),
];

const MANIFEST: &str = include_str!("../../deploy/holdall.yaml");

/// The manifest's objects, in its order.
fn objects() -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(MANIFEST)
        .map(|document| Value::deserialize(document).expect("valid YAML"))
        .collect()
}

fn all(kind: &str) -> Vec<Value> {
    objects().into_iter().filter(|object| object["kind"] == kind).collect()
}

fn one(kind: &str) -> Value {
    let mut found = all(kind);
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

fn pod() -> Value {
    one("StatefulSet")["spec"]["template"]["spec"].take()
}

fn container() -> Value {
    let pod = pod();
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    assert_eq!((&pod["initContainers"], &pod["ephemeralContainers"]), (&Value::Null, &Value::Null));
    pod["containers"][0].clone()
}

fn port_names() -> BTreeSet<String> {
    let ports = container()["ports"].as_array().unwrap().clone();
    ports.iter().map(|port| port["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn holds_what_it_should_and_no_removed_api() {
    let mut found: Vec<_> = objects()
        .iter()
        .map(|object| {
            let text = |key: &str| object[key].as_str().unwrap().to_owned();
            (text("kind"), text("apiVersion"))
        })
        .collect();
    let mut expected: Vec<_> =
        KINDS.iter().map(|(kind, version)| ((*kind).to_owned(), (*version).to_owned())).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn every_object_has_its_place_and_its_labels() {
    for object in objects() {
        let (kind, meta) = (&object["kind"], &object["metadata"]);
        let labels = &meta["labels"];
        for label in ["name", "part-of"] {
            let label = format!("app.kubernetes.io/{label}");
            assert_eq!(labels[&label], "holdall", "{kind} {label}");
        }
        if kind == "Namespace" {
            assert_eq!(meta["name"], "holdall");
            continue;
        }
        assert_eq!(meta["namespace"], "holdall", "{kind}");
        assert_eq!(labels["app.kubernetes.io/instance"], "holdall", "{kind}");
        assert_eq!(labels["app.kubernetes.io/component"], "server", "{kind}");
        assert_eq!(labels["app.kubernetes.io/version"], env!("CARGO_PKG_VERSION"), "{kind}");
    }
}

#[test]
fn the_namespace_enforces_the_restricted_profile() {
    let labels = one("Namespace")["metadata"]["labels"].take();
    for mode in ["enforce", "audit", "warn"] {
        assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}")], "restricted");
    }
}

/// The Pod Security Standards' restricted profile, in the order of its document.
#[test]
fn the_pod_obeys_the_restricted_profile() {
    let (pod, container) = (pod(), container());
    let (of_pod, own) = (&pod["securityContext"], &container["securityContext"]);
    // Baseline.
    assert_eq!(of_pod["windowsOptions"], Value::Null);
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_eq!(pod[shared], Value::Null, "{shared}");
    }
    assert_eq!(own["privileged"], false);
    assert_eq!(own["capabilities"]["add"], Value::Null);
    assert_eq!(pod["volumes"], Value::Null, "no host path, nor anything but the claim");
    for port in container["ports"].as_array().unwrap() {
        assert_eq!(port["hostPort"], Value::Null);
    }
    for scope in [of_pod, own] {
        for absent in ["appArmorProfile", "seLinuxOptions", "procMount", "sysctls"] {
            assert_eq!(scope[absent], Value::Null, "{absent}");
        }
    }
    // Restricted.
    assert_eq!(own["allowPrivilegeEscalation"], false);
    assert_eq!((&of_pod["runAsNonRoot"], &own["runAsNonRoot"]), (&json!(true), &json!(true)));
    assert_eq!(of_pod["runAsUser"], 10001);
    assert_eq!((&own["runAsUser"], &own["seccompProfile"]), (&Value::Null, &Value::Null));
    assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(own["capabilities"]["drop"], json!(["ALL"]));
}

#[test]
fn the_pod_can_write_its_volume_and_nothing_else() {
    let (pod, container) = (pod(), container());
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsGroup"]);
    assert_eq!(pod["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
    assert_eq!(container["volumeMounts"], json!([{ "name": "data", "mountPath": "/data" }]));
    let claims = one("StatefulSet")["spec"]["volumeClaimTemplates"].take();
    assert_eq!(claims.as_array().unwrap().len(), 1);
    assert_eq!(claims[0]["metadata"]["name"], "data");
    assert_eq!(claims[0]["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    assert_eq!(claims[0]["spec"]["resources"]["requests"]["storage"], "10Gi");
}

/// A changed annotation of the template is what makes the StatefulSet roll its pod out again.
#[test]
fn the_pod_is_rolled_out_again_when_its_settings_change() {
    let lines: Vec<&str> = MANIFEST.lines().skip_while(|line| *line != "data:").collect();
    let end = lines.iter().position(|line| *line == "---").unwrap();
    let data = lines[..=end].join("\n") + "\n";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data.as_bytes());
    let expected: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let template = one("StatefulSet")["spec"]["template"]["metadata"].take();
    assert_eq!(template["annotations"]["holdall/config"], expected, "put it into the annotation");
    assert_eq!(MANIFEST.matches("\ndata:\n").count(), 1, "the one that the comment speaks of");
}

#[test]
fn nothing_is_lent_to_the_pod() {
    let account = one("ServiceAccount");
    let pod = pod();
    assert_eq!(account["automountServiceAccountToken"], false);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    assert_eq!(pod["enableServiceLinks"], false, "or a Service would set HOLDALL_PORT");
    assert!(all("Role").is_empty() && all("RoleBinding").is_empty() && all("Secret").is_empty());
}

#[test]
fn every_port_leads_somewhere() {
    let known = port_names();
    let leads = |port: &Value, from: &str| {
        let name = port.as_str().unwrap_or_else(|| panic!("{from}: ports go by name, not {port}"));
        assert!(known.contains(name), "{from}: {name}");
    };
    assert_eq!(container()["ports"][0]["containerPort"], 8000);
    for service in all("Service") {
        for port in service["spec"]["ports"].as_array().unwrap() {
            leads(&port["targetPort"], service["metadata"]["name"].as_str().unwrap());
        }
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        leads(&container()[probe]["httpGet"]["port"], probe);
    }
    for rule in one("NetworkPolicy")["spec"]["ingress"].as_array().unwrap() {
        for port in rule["ports"].as_array().unwrap() {
            leads(&port["port"], "NetworkPolicy");
        }
    }
    let scraped = one("StatefulSet")["spec"]["template"]["metadata"]["annotations"].take();
    assert_eq!(scraped["prometheus.io/port"], "8000");
}

#[test]
fn every_selector_finds_the_pod() {
    let set = one("StatefulSet");
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    let finds = |selector: &Value, from: &str| {
        let selector = selector.as_object().unwrap_or_else(|| panic!("{from} has no selector"));
        assert!(!selector.is_empty(), "{from}");
        for (key, value) in selector {
            assert_eq!(&labels[key], value, "{from}");
        }
    };
    finds(&set["spec"]["selector"]["matchLabels"], "StatefulSet");
    finds(&one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], "PodDisruptionBudget");
    finds(&one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], "NetworkPolicy");
    let services = all("Service");
    for service in &services {
        finds(&service["spec"]["selector"], "Service");
    }
    let governing =
        services.iter().find(|one| one["metadata"]["name"] == set["spec"]["serviceName"]);
    assert_eq!(governing.expect("the set's own Service")["spec"]["clusterIP"], "None");
    let map = &container()["envFrom"][0]["configMapRef"]["name"];
    assert_eq!(map, &one("ConfigMap")["metadata"]["name"]);
}

#[test]
fn one_pod_that_may_always_be_moved() {
    let (set, budget) = (one("StatefulSet"), one("PodDisruptionBudget"));
    assert_eq!(set["spec"]["replicas"], 1);
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    assert_eq!(budget["spec"]["minAvailable"], Value::Null);
    assert_eq!(container()["resources"]["limits"]["memory"], "512Mi");
    assert_eq!(container()["resources"]["requests"]["memory"], "128Mi");
}

#[test]
fn the_image_is_this_version_everywhere() {
    let image = format!("holdall:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container()["image"], image.as_str());
    let compose = include_str!("../../deploy/compose.yaml");
    assert!(compose.contains(&format!("image: {image}\n")));
    for text in [include_str!("../../deploy/holdall.yaml"), compose] {
        assert!(!text.contains("latest"));
    }
}

#[test]
fn compose_and_systemd_confine_as_the_manifest_does() {
    let compose: Value =
        serde_yaml_ng::from_str(include_str!("../../deploy/compose.yaml")).unwrap();
    let service = &compose["services"]["holdall"];
    assert_eq!((&service["read_only"], &service["user"]), (&json!(true), &json!("10001:10001")));
    assert_eq!(service["cap_drop"], json!(["ALL"]));
    assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]));
    assert_eq!(service["mem_limit"], "512m");
    for port in service["ports"].as_array().unwrap() {
        let port = port.as_str().unwrap();
        assert!(
            port.starts_with("127.0.0.1:"),
            "{port}: only this machine, until somebody says so"
        );
    }
    let unit = include_str!("../../deploy/holdall.service");
    for line in [
        "DynamicUser=yes",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "StateDirectory=holdall",
        "MemoryMax=512M",
        "RestartPreventExitStatus=2 70",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_image_holds_the_program_and_nothing_else() {
    let text = include_str!("../../deploy/Dockerfile");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(lines.contains(&"FROM scratch"));
    assert!(lines.contains(&"USER 10001:10001"));
    assert!(lines.contains(&r#"ENTRYPOINT ["/holdall"]"#));
    assert!(lines.iter().any(|line| line.starts_with("HEALTHCHECK")
        && line.ends_with(r#"CMD ["/holdall", "healthcheck"]"#)));
    assert!(!lines.iter().any(|line| line.starts_with("RUN") || line.starts_with("ADD")));
}

#[test]
fn probes_wait_as_long_as_operators_expect() {
    let container = container();
    for (probe, path, delay, period, timeout, failures) in [
        ("startupProbe", "/startup", 1, 10, 3, 30),
        ("readinessProbe", "/health/ready", 2, 5, 3, 3),
        ("livenessProbe", "/health/live", 10, 10, 3, 6),
    ] {
        let probe = &container[probe];
        assert_eq!(probe["httpGet"]["path"], path);
        let told = ["initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"]
            .map(|key| probe[key].as_i64().unwrap());
        assert_eq!(told, [delay, period, timeout, failures], "{path}");
    }
}

#[test]
fn a_shutdown_ends_before_the_pod_is_killed() {
    let settings = one("ConfigMap")["data"].take();
    let seconds = |key: &str| -> i64 {
        settings[key].as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap()
    };
    let needed = seconds("HOLDALL_SHUTDOWN_DELAY") + seconds("HOLDALL_SHUTDOWN_DEADLINE");
    assert!(needed + 10 <= pod()["terminationGracePeriodSeconds"].as_i64().unwrap());
}

#[tokio::test]
async fn every_probe_path_answers() {
    let house = House::new();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container()[probe]["httpGet"]["path"].as_str().unwrap().to_owned();
        assert_eq!(house.guest().get(&path).await.status, 200, "{path}");
    }
}

#[test]
fn the_program_accepts_the_settings() {
    let settings = one("ConfigMap")["data"].take();
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdall"));
    command.args(["config", "check", "--data"]).arg(data.path()).env_clear();
    for (name, value) in settings.as_object().unwrap() {
        command.env(name, value.as_str().expect("variables are text"));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
