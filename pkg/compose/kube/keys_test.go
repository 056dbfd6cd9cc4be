// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coracle/internal/testutil/projects"
)

// TestKeys: there is no key of a service about which the table says nothing, and none
// in the table that does not exist.
func TestKeys(t *testing.T) {
	var told []string
	for _, k := range Keys() {
		told = append(told, k.Name)
		if k.Becomes == "" && k.Note == "" {
			t.Errorf("%s is not carried over: why?", k.Name)
		}
	}
	projects.Covers(t, told)
}

// samples say something for each key of a service, but for those that are chosen or
// put together before, and those of Windows and of long ago, which no file can have.
func samples() map[string]string {
	return map[string]string{
		"annotations": "{example.org/a: b}", "blkio_config": "{weight: 300}", "build": ".", "cap_add": "[NET_ADMIN]", "cap_drop": "[ALL]", "cgroup": "host",
		"cgroup_parent": "x", "command": "a b", "configs": "[text]", "container_name": "other", "cpu_count": "2", "cpu_percent": "20", "cpu_period": "1000",
		"cpu_quota": "50000", "cpu_rt_period": "1000", "cpu_rt_runtime": "1000", "cpu_shares": "100", "cpus": "0.5", "cpuset": "0-1",
		"credential_spec": "{file: x.json}", "depends_on": "[b]", "deploy": "{replicas: 2}", "develop": "{watch: [{path: ., action: rebuild}]}",
		"device_cgroup_rules": "['c 1:3 mr']", "devices": "[/dev/fuse]", "dns": "9.9.9.9", "dns_opt": "['ndots:2']", "dns_search": "example.org",
		"domainname": "example.org", "entrypoint": "a b", "env_file": "variables.env", "environment": "{A: b}", "expose": "[80]", "external_links": "[x]",
		"extra_hosts": "['a:1.2.3.4']", "gpus": "[{count: 1}]", "group_add": "[100]", "healthcheck": "{test: 'true'}", "hostname": "h", "image": "other",
		"init": "true", "ipc": "host", "isolation": "default", "label_file": "labels.env", "labels": "{a: b}", "links": "['b:name']", "logging": "{driver: none}",
		"mac_address": "02:42:ac:11:00:02", "mem_limit": "64m", "mem_reservation": "32m", "mem_swappiness": "10", "memswap_limit": "1g", "network_mode": "host",
		"networks": "{default: {aliases: [other]}}", "oom_kill_disable": "true", "oom_score_adj": "10", "pid": "host", "pids_limit": "10", "platform": "linux/arm64",
		"ports": "['80']", "post_start": "[{command: 'true'}]", "pre_start": "[{command: 'true'}]", "pre_stop": "[{command: 'true'}]", "privileged": "true",
		"pull_policy": "always", "read_only": "true", "restart": "'no'", "runtime": "x", "scale": "3", "secrets": "[text]", "security_opt": "['no-new-privileges']",
		"shm_size": "64m", "stdin_open": "true", "stop_grace_period": "90s", "stop_signal": "SIGINT", "storage_opt": "{size: 1g}", "sysctls": "{net.core.somaxconn: 1}",
		"tmpfs": "/t", "tty": "true", "ulimits": "{nofile: 10}", "umask": "0o077", "use_api_socket": "true", "user": "'7:8'", "userns_mode": "host", "uts": "host",
		"volumes": "['data:/d']", "volumes_from": "[c]", "working_dir": "/w",
		"provider": "{type: x}", "models": "[m]",

		"deploy.mode": "{mode: global}", "deploy.labels": "{labels: {a: b}}", "deploy.resources": "{resources: {limits: {cpus: '1'}}}",
		"deploy.resources.limits.pids": "{resources: {limits: {pids: 5}}}", "deploy.restart_policy": "{restart_policy: {condition: none}}",
		"deploy.restart_policy.delay": "{restart_policy: {delay: 5s}}", "deploy.restart_policy.window": "{restart_policy: {window: 5s}}",
		"deploy.update_config": "{update_config: {parallelism: 2}}", "deploy.update_config.monitor": "{update_config: {monitor: 5s}}",
		"deploy.update_config.failure_action": "{update_config: {failure_action: pause}}", "deploy.update_config.max_failure_ratio": "{update_config: {max_failure_ratio: 0.5}}",
		"deploy.rollback_config": "{rollback_config: {parallelism: 2}}", "deploy.placement": "{placement: {constraints: ['node.labels.a == b']}}",
		"deploy.placement.constraints": "{placement: {constraints: ['node.role == worker']}}", "deploy.placement.preferences": "{placement: {preferences: [{spread: x}]}}",
		"deploy.placement.max_replicas_per_node":          "{placement: {max_replicas_per_node: 1}}",
		"deploy.resources.reservations.generic_resources": "{resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: a, value: 1}}]}}}",
		"deploy.resources.reservations.devices":           "{resources: {reservations: {devices: [{capabilities: [tpu]}]}}}",
		"healthcheck.interval":                            "{test: 'true', interval: 500ms}",
		"networks.aliases":                                "{default: {aliases: [other]}}", "networks.ipv4_address": "{default: {ipv4_address: 1.2.3.4}}", "networks.ipv6_address": "{default: {ipv6_address: '::5'}}",
		"networks.link_local_ips": "{default: {link_local_ips: [169.254.1.1]}}", "networks.mac_address": "{default: {mac_address: '02:42:ac:11:00:02'}}",
		"networks.driver_opts": "{default: {driver_opts: {a: b}}}", "networks.interface_name": "{default: {interface_name: x}}", "networks.gw_priority": "{default: {gw_priority: 1}}",
		"networks.priority": "{default: {priority: 1}}", "networks.use_service_name_alias": "{default: {use_service_name_alias: false}}",
		"ports.mode": "[{target: 80, published: '81', mode: host}]", "ports.app_protocol": "[{target: 80, app_protocol: http}]", "ports.host_ip": "['127.0.0.1:80:80']",
		"secrets.uid": "[{source: text, uid: '5'}]", "secrets.gid": "[{source: text, gid: '5'}]", "configs.uid": "[{source: text, uid: '5'}]", "configs.gid": "[{source: text, gid: '5'}]",
		"volumes.consistency": "[{type: volume, source: data, target: /d, consistency: cached}]", "volumes.bind.selinux": "['./x:/x:z']", "volumes.bind.propagation": "['./x:/x:rshared']",
		"volumes.bind.recursive": "[{type: bind, source: ./x, target: /x, bind: {recursive: disabled}}]",
		"volumes.volume.labels":  "[{type: volume, source: data, target: /d, volume: {labels: {a: b}}}]", "volumes.tmpfs.mode": "[{type: tmpfs, target: /t, tmpfs: {mode: 0o700}}]",
	}
}

// TestNoKeyIsLost: a service that says something more is something more on the
// cluster, or is named for that key.
func TestNoKeyIsLost(t *testing.T) {
	before := map[string]bool{ // of which nothing is left once a project is read, or nothing is meant
		"attach": true, "extends": true, "profiles": true, "name": true, "dockerfile": true, "net": true, "log_driver": true, "log_opt": true,
		"deploy.replicas": true, "pull_refresh_after": true, "volume_driver": true, "deploy.endpoint_mode": true, // of a service with ports
		"healthcheck.start_period": true, "healthcheck.start_interval": true, "volumes.volume.nocopy": true,
	}
	plain := text(t, "a", "image: a")
	var all texts
	for _, k := range Keys() {
		if _, there := samples()[k.Name]; !there && !before[k.Name] {
			t.Errorf("there is no sample for %s", k.Name)
		}
	}
	for key, value := range samples() {
		top, _, _ := strings.Cut(key, ".")
		service := top + ": " + value
		if top != "image" {
			service = "image: a\n    " + service
		}
		got := text(t, "a", service)
		all.add(t, got)
		if got == plain {
			t.Errorf("%s: %s is lost", key, value)
		}
		i := slices.IndexFunc(Keys(), func(k Key) bool { return k.Name == key })
		if (i < 0 || Keys()[i].Becomes == "") && !strings.Contains(got, `service "a": `+key+": ") {
			t.Errorf("%s: %s is not named:\n%s", key, value, got)
		}
	}
	all.check(t)
}

// text is what a service is on a cluster, with others beside it.
func text(t *testing.T, name, service string) string {
	t.Helper()
	r, err := Project(read(t, fmt.Sprintf(`
services:
  %s:
    %s
  b: {image: b, depends_on: []}
  c: {image: c, volumes: ["data:/c"]}
volumes: {data: {labels: {kompose.volume.size: 5Gi}}}
networks: {default: {ipam: {config: [{subnet: 1.2.3.0/24}]}}}
secrets: {text: {environment: HOME}}
configs: {text: {content: hello}}
models: {m: {model: x}}
`, name, service)), Options{})
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	var b strings.Builder
	if err := r.Write(&b, "title"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var writeDocs = flag.Bool("write", false, "write the table of docs/kubernetes.md, and the files of testdata, anew")

// TestKeysAreDocumented compares docs/kubernetes.md with the table.
func TestKeysAreDocumented(t *testing.T) {
	const begin, end = "-write -->\n", "<!-- end -->"
	file := filepath.Join("..", "..", "..", "docs", "kubernetes.md")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Skip("the documents are not there:", err)
	}
	var table strings.Builder
	table.WriteString("| key | becomes | |\n|---|---|---|\n")
	for _, k := range Keys() {
		becomes := k.Becomes
		if becomes == "" {
			becomes = "**named**"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", k.Name, becomes, k.Note)
	}
	before, rest, _ := strings.Cut(string(have), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the table", file)
	}
	want := before + begin + table.String() + end + after
	if want == string(have) {
		return
	}
	if !*writeDocs {
		t.Fatalf("%s is out of date: go test ./pkg/compose/kube -run TestKeysAreDocumented -write", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
