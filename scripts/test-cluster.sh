#!/usr/bin/env bash
# Rolls the release binary out on a real Kubernetes control plane (tests/rig/k8s), with the manifest as it is:
# writes a record, kills the pod, rolls out again, and finds its data each time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
[ "$(id -u)" = 0 ] || { say "needs root: the rig's kubelet makes namespaces and mounts. Nothing was tested."; exit 1; }
need go golang; need openssl openssl; need python3 python3; need curl curl; need ip iproute2
rig="bash tests/rig/k8s/rig.sh"
binary=${HOLDALL:-target/dist/holdall}
export RIG_HOME=${RIG_HOME:-/tmp/rig-k8s} RIG_ROOTFS=${RIG_ROOTFS:-scratch} RIG_LIGHT=1 RIG_KEEP=1
export KUBECONFIG=$RIG_HOME/kubeconfig PATH="$RIG_HOME/bin:$PATH"
scratch=$(mktemp -d)
fail() { echo "test-cluster: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "ok $passed - $*"; }
trap '$rig down; rm -rf "$scratch"' EXIT

# A superuser as the manifest's first lines say: from a Secret that lies beside it.
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
cp deploy/holdall.yaml "$scratch/"
cat >"$scratch/admin.yaml" <<Y
apiVersion: v1
kind: Secret
metadata: {name: holdall-admin, namespace: holdall}
stringData: {email: ada@example.com, password: $password}
Y

$rig setup
$rig up
$rig run "$binary" "$scratch" holdall >"$scratch/report.json" ||
    { cat "$scratch/report.json" >&2; kubectl -n holdall logs holdall-0 >&2 || true; fail "the rollout failed"; }
python3 - "$scratch/report.json" <<'P'
import json, sys
report = json.load(open(sys.argv[1]))
for what in ("warnings", "errors", "matches_nothing", "second_apply_changes"):
    assert not report[what], f"{what}: {report[what]}"
P
ok "the API server takes the manifest without a warning, and the pod becomes ready"

# Everything else is asked from beside the pod, through the Service.
ask() { $rig pnet cluster curl -sS --max-time 10 --retry 5 --retry-all-errors "$@"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
base=http://$(kubectl -n holdall get service holdall -o jsonpath='{.spec.clusterIP}')
sign_in() {
    token=$(ask -H 'Content-Type: application/json' -d "{\"identity\":\"ada@example.com\",\"password\":\"$password\"}" \
        "$base/api/collections/_superusers/auth-with-password" | field token)
}
ready() { kubectl -n holdall rollout status statefulset/holdall --timeout=90s >/dev/null || fail "not ready again: $1"; }
found() {
    sign_in
    title=$(ask -H "Authorization: $token" "$base/api/collections/notes/records/$id" | field title)
    [ "$title" = "still here" ] || fail "$1: the record says '$title'"
    ok "$1"
}

sign_in
ok "the superuser of the Secret signs in"
ask -H "Authorization: $token" -H 'Content-Type: application/json' \
    -d '{"name":"notes","fields":[{"name":"title","type":"text"}]}' "$base/api/collections" >/dev/null
id=$(ask -H "Authorization: $token" -H 'Content-Type: application/json' -d '{"title":"still here"}' \
    "$base/api/collections/notes/records" | field id)
found "a record is written and read through the Service"

$rig pexec holdall/holdall-0 /holdall healthcheck >/dev/null || fail "the health check in the container"
ok "the binary's own health check works inside the container"

$rig pexec holdall/holdall-0 /holdall log-level debug >/dev/null || fail "a command that speaks to the running server"
ok "commands reach the running server inside the pod, where its directory is locked"

restarts() { kubectl -n holdall get pod holdall-0 -o jsonpath='{.status.containerStatuses[0].restartCount}'; }
before=$(restarts)
uid=$(kubectl -n holdall get pod holdall-0 -o jsonpath='{.metadata.uid}')
kill -KILL "$(cat "$RIG_HOME/kubelet/pods/$uid/holdall/sandbox.json.pid")"
for _ in $(seq 120); do [ "$(restarts)" -gt "$before" ] && break; sleep 0.5; done
[ "$(restarts)" -gt "$before" ] || fail "the killed container was not started again"
kubectl -n holdall wait --for=condition=Ready pod/holdall-0 --timeout=90s >/dev/null || fail "not ready after a kill"
found "the data survives the process being killed"

kubectl -n holdall delete pod holdall-0 --wait=true >/dev/null
ready "after the pod was deleted"
found "the data survives the pod being deleted"

kubectl -n holdall rollout restart statefulset/holdall >/dev/null
ready "after another rollout"
found "the data survives a rollout"

kubectl delete namespace holdall --wait=false >/dev/null
echo "cluster: $passed passed, 0 failed"
