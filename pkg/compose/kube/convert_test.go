// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// says reports whether the lines stand one after the other in a text, whatever their
// indentation and what is between them.
func says(text string, lines ...string) bool {
	for _, line := range strings.Split(text, "\n") {
		if len(lines) > 0 && strings.TrimLeft(line, " -") == lines[0] {
			lines = lines[1:]
		}
	}
	return len(lines) == 0
}

// TestMeaning: what services become.
func TestMeaning(t *testing.T) {
	var all texts
	for name, c := range map[string]struct {
		services string
		want     []string // lines, in their order
		not      string
	}{
		"a server":            {"a: {image: a, ports: ['8080:80']}", []string{"kind: Service", "port: 80", "targetPort: 80", "port: 8080", "targetPort: 80", "kind: Deployment", "replicas: 1"}, "clusterIP"},
		"without ports":       {"a: {image: a}", []string{"kind: Service", "clusterIP: None"}, "ports:"},
		"without an address":  {"a: {image: a, ports: ['80'], deploy: {endpoint_mode: dnsrr}}", []string{"clusterIP: None", "port: 80"}, ""},
		"for everybody":       {"a: {image: a, ports: ['80'], labels: {kompose.service.type: LoadBalancer}}", []string{"type: LoadBalancer"}, "kompose"},
		"on every node":       {"a: {image: a, deploy: {mode: global}}", []string{"kind: DaemonSet"}, "replicas"},
		"once":                {"a: {image: a, restart: 'no'}", []string{"kind: Job", "backoffLimit: 0", "restartPolicy: Never"}, "kind: Service"},
		"until it succeeds":   {"a: {image: a, restart: 'on-failure:4'}", []string{"kind: Job", "backoffLimit: 4", "restartPolicy: OnFailure"}, "kind: Service"},
		"a server that ends":  {"a: {image: a, restart: 'no', expose: [80]}", []string{"kind: Deployment"}, "Job"},
		"one that others use": {"{a: {image: a, restart: 'no'}, b: {image: b, depends_on: [a]}}", []string{"kind: Deployment", "kind: Deployment"}, "Job"},
		"before one":          {"{a: {image: a}, b: {image: b, depends_on: {a: {condition: service_completed_successfully}}}}", []string{"kind: Deployment", "initContainers:", "name: a", "containers:", "name: b"}, "Job"},
		"before one before one": {
			"{a: {image: a}, b: {image: b, depends_on: {a: {condition: service_completed_successfully}}}, c: {image: c, depends_on: {b: {condition: service_completed_successfully}}}}",
			[]string{"kind: Deployment", "initContainers:", "name: a", "name: b", "containers:", "name: c"}, "Job",
		},
		"health before one": {"{a: {image: a, healthcheck: {test: 'true'}, container_name: xy}, b: {image: b, depends_on: {a: {condition: service_completed_successfully}}}}", []string{"initContainers:"}, "readinessProbe:"},
		"before two": {
			"{a: {image: a}, b: {image: b, depends_on: {a: {condition: service_completed_successfully}}}, c: {image: c, depends_on: {a: {condition: service_completed_successfully}}}}",
			[]string{"kind: Job", "kind: Deployment", "kind: Deployment"}, "initContainers",
		},
		"before several pods": {"{a: {image: a}, b: {image: b, scale: 2, depends_on: {a: {condition: service_completed_successfully}}}}", []string{"kind: Job", "replicas: 2"}, "initContainers"},
		"together":            {"{a: {image: a, network_mode: 'service:b', ports: []}, b: {image: b, ports: ['80']}}", []string{"kind: Deployment", "containers:", "name: b", "name: a"}, "name: tcp-90"},
		"sharing processes":   {"{a: {image: a, network_mode: 'service:b', pid: 'service:b'}, b: {image: b}}", []string{"shareProcessNamespace: true"}, ""},
		"on the host":         {"a: {image: a, network_mode: host, pid: host, ipc: host}", []string{"hostNetwork: true", "hostPID: true", "hostIPC: true", "dnsPolicy: ClusterFirstWithHostNet"}, ""},
		"no other's variable": {"a: {image: a}", []string{"enableServiceLinks: false"}, ""},
		"words that are not":  {"a: {image: a, environment: {A: 'no', B: '0x1F', C: '1e3', D: '12:30:45', E: '~', F: 'null', G: '', H: '0o17', I: 'Y', J: \"a\\nb\", K: '2001-01-01'}, command: ['yes', 'on', '1']}", []string{`"yes"`, `"on"`, `"1"`, `value: "no"`, `value: "0x1F"`, `value: "1e3"`, `value: "12:30:45"`, `value: "~"`, `value: "null"`, `value: ""`, `value: "0o17"`, `value: "Y"`, "a", "b", `value: "2001-01-01"`}, ""},
		"words of YAML 1.1":   {"a: {image: a, environment: {A: '<<', B: '='}, command: ['=']}", []string{`"="`, `value: "<<"`, `value: "="`}, "!!merge"},
		"dollars":             {"a: {image: a, command: ['sh', '-c', 'echo $$$$ $$(id) $$x'], environment: {A: '$$(B)'}}", []string{"echo $$$ $$(id) $x", "value: $$(B)"}, ""},
		"health":              {"a: {image: a, healthcheck: {test: [CMD, ok], interval: 1m, timeout: 1500ms, retries: 7}}", []string{"readinessProbe:", "exec:", "command:", "ok", "periodSeconds: 60", "timeoutSeconds: 2", "failureThreshold: 7"}, "livenessProbe"},
		"no health":           {"a: {image: a, healthcheck: {disable: true}}", nil, "Probe"},
		"resources":           {"a: {image: a, mem_limit: 1g, cpus: 0.5, deploy: {resources: {reservations: {cpus: '0.25', memory: 128m}}}}", []string{"limits:", "cpu: 500m", "memory: 1Gi", "requests:", "cpu: 250m", "memory: 128Mi"}, ""},
		"a share of time":     {"a: {image: a, cpu_quota: 25000}", []string{"cpu: 250m"}, ""},
		"accelerators":        {"a: {image: a, gpus: [{count: 2}]}", []string{`nvidia.com/gpu: "2"`}, ""},
		"numbers of users":    {"a: {image: a, user: '0:7', group_add: ['9']}", []string{"supplementalGroups:", "9", "runAsUser: 0", "runAsGroup: 7"}, ""},
		"memory":              {"a: {image: a, tmpfs: '/t:size=10m,mode=700', shm_size: 1g}", []string{"mountPath: /t", "mountPath: /dev/shm", "medium: Memory", "sizeLimit: 10Mi", "medium: Memory", "sizeLimit: 1Gi"}, ""},
		"hosts":               {"a: {image: a, extra_hosts: ['x:1.2.3.4', 'y:1.2.3.4', 'z:host-gateway']}", []string{"hostAliases:", "ip: 1.2.3.4", "hostnames:", "x", `"y"`}, "ip: host-gateway"},
		"lookups":             {"a: {image: a, dns: [1.1.1.1], dns_search: [x.org], dns_opt: ['ndots:1', rotate]}", []string{"nameservers:", "1.1.1.1", "searches:", "x.org", "name: ndots", `value: "1"`, "name: rotate"}, ""},
		"other names":         {"{a: {image: a, container_name: ctr, networks: {default: {aliases: [db]}}}, b: {image: b, links: ['a:store']}}", []string{"name: a", "name: b", "name: ctr", "name: db", "name: store"}, ""},
		"rolling":             {"a: {image: a, deploy: {update_config: {parallelism: 2, order: start-first, delay: 5s}}}", []string{"minReadySeconds: 5", "rollingUpdate:", "maxSurge: 2", "maxUnavailable: 0"}, ""},
		"nodes":               {"a: {image: a, platform: linux/arm64/v8, deploy: {placement: {constraints: ['node.hostname==one', 'node.labels.disk == ssd']}}}", []string{"disk: ssd", "kubernetes.io/arch: arm64", "kubernetes.io/hostname: one", "kubernetes.io/os: linux"}, ""},
		"a port of the node":  {"a: {image: a, ports: [{target: 80, published: '8080', mode: host}]}", []string{"containerPort: 80", "hostPort: 8080"}, ""},
		"ending":              {"a: {image: a, stop_grace_period: 90s, pre_stop: [{command: [sync]}], hostname: one}", []string{"hostname: one", "terminationGracePeriodSeconds: 90", "preStop:", "sync"}, ""},
		"SELinux":             {"a: {image: a, security_opt: ['label=type:x_t', 'apparmor=one']}", []string{"appArmorProfile:", "type: Localhost", "localhostProfile: one", "seLinuxOptions:", "type: x_t"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			services := c.services
			if services[0] != '{' {
				services = "{" + services + "}"
			}
			got := write(t, read(t, "services: "+services))
			all.add(t, got)
			if !says(got, c.want...) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("not %q and without %q:\n%s", c.want, c.not, got)
			}
		})
	}
	all.check(t)
}

// TestVolumes: what several pods have at once, and what one has.
func TestVolumes(t *testing.T) {
	var all texts
	for name, c := range map[string]struct {
		services string
		want     []string
	}{
		"one":     {"a: {image: a, volumes: ['vol:/v']}", []string{"ReadWriteOnce", "storage: 1Gi", "type: Recreate", "claimName: vol"}},
		"two":     {"{a: {image: a, volumes: ['vol:/v']}, b: {image: b, volumes: ['vol:/v:ro']}}", []string{"ReadWriteMany", "claimName: vol", "readOnly: true", "claimName: vol"}},
		"many":    {"a: {image: a, scale: 2, volumes: ['vol:/v']}", []string{"ReadWriteMany", "replicas: 2"}},
		"one pod": {"{a: {image: a, volumes: ['vol:/v']}, b: {image: b, network_mode: 'service:a', volumes_from: ['a:ro']}}", []string{"ReadWriteOnce", "name: a", "mountPath: /v", "name: b", "mountPath: /v", "readOnly: true"}},
		"size":    {"a: {image: a, labels: {kompose.volume.size: 7Gi, kompose.volume.storage-class-name: fast}, volumes: ['vol:/v']}", []string{"storageClassName: fast", "storage: 7Gi"}},
	} {
		t.Run(name, func(t *testing.T) {
			services := c.services
			if services[0] != '{' {
				services = "{" + services + "}"
			}
			got := write(t, read(t, "{services: "+services+", volumes: {vol: {}}}"))
			all.add(t, got)
			if !says(got, c.want...) {
				t.Errorf("not %q:\n%s", c.want, got)
			}
		})
	}
	all.check(t)
}

// TestFiles: a file that is mounted goes along, what is none has to be there, and the
// variables of a file are an object.
func TestFiles(t *testing.T) {
	p := read(t, `
services:
  a: {image: a, env_file: variables.env, environment: {OWN: x}, volumes: ["./variables.env:/etc/v.env:ro", "./binary:/b", "./labels.env:/deep/variables.env", ".:/all"], configs: [c], secrets: [{source: s, mode: 0400}]}
configs: {c: {external: true, name: There.It_is}}
secrets: {s: {file: ./binary}}
`)
	if err := os.WriteFile(filepath.Join(p.WorkingDir, "binary"), []byte{0, 1, 2}, 0o600); err != nil {
		t.Fatal(err)
	}
	own := types.MappingWithEquals{"OWN": nil}
	r, err := Project(p, Options{ReadFile: readFile, Own: func(string) types.MappingWithEquals { return own }})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.Write(&b, "x"); err != nil {
		t.Fatal(err)
	}
	if !says(b.String(), "kind: ConfigMap", "name: a-env", "data:", "FROM: file", "kind: ConfigMap", "name: a-files", "data:", "labels.env: |", "variables.env: |", "binaryData:", "binary: AAEC",
		"kind: Secret", "data:", "s: AAEC", "envFrom:", "name: a-env", "env:", "name: OWN", "mountPath: /etc/v.env", "subPath: variables.env", "mountPath: /b", "subPath: binary", "mountPath: /all",
		"mountPath: /c", "mountPath: /run/secrets/s", "path: "+p.WorkingDir, "name: there-it-is", "defaultMode: 256") {
		t.Error(b.String())
	}
	if !strings.Contains(b.String(), `# config "c": external: the ConfigMap there-it-is has to be there, with the key c`) {
		t.Error(b.String())
	}
}

// TestRefused: what no cluster can have, or two things would.
func TestRefused(t *testing.T) {
	for file, want := range map[string]string{
		"services: {a_b: {image: a}, a.b: {image: b}}":                                                                  `service "a.b" and service "a_b" would both be the pod "a-b": rename one`,
		"services: {__: {image: a}}":                                                                                    `service "__": no object of Kubernetes can be called "__"`,
		"services: {a: {image: a, volumes: ['x_y:/a', 'x.y:/b']}}\nvolumes: {x_y: {}, x.y: {}}":                         `volume x_y and volume x.y would both be the PersistentVolumeClaim "x-y": rename one`,
		"services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {file: ./none}}":                                         "secret s: stat ",
		"services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {environment: NONE}}":                                    `environment variable "NONE" required by secret "s" is not set`,
		"services: {a: {image: a, mem_limit: 1m, mem_reservation: 2m}}":                                                 `service "a": 2Mi of memory is reserved, of 1Mi that it may have`,
		"services: {a: {image: a, configs: [c]}, a_files: {image: a}}\nconfigs: {c: {file: .}}":                         "is no file of at most 1000Ki",
		"services: {a: {image: a, configs: [a-files], volumes: ['./labels.env:/a']}}\nconfigs: {a-files: {content: x}}": `would both be the ConfigMap "a-files": rename one`,
	} {
		if _, err := Project(read(t, file), Options{ReadFile: readFile}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}

// TestNamed: what is lost by where a service is, or by what it says together.
func TestNamed(t *testing.T) {
	for services, want := range map[string]string{
		"{a: {image: a, network_mode: 'service:b', scale: 2}, b: {image: b}}":                                              `service "a": scale: not carried over: it is in the pod of b`,
		"{a: {image: a, network_mode: 'service:b', restart: 'no'}, b: {image: b}}":                                         `service "a": restart: not carried over: it is in the pod of b`,
		"{a: {image: a, network_mode: 'service:b', sysctls: {x: 1}}, b: {image: b, sysctls: {x: 2}}}":                      `service "a": sysctls: not carried over: service "b" has another, and a pod has one`,
		"{a: {image: a, container_name: xy}, b: {image: b, depends_on: {a: {condition: service_completed_successfully}}}}": `service "a": container_name: not carried over: it runs before b begins, and nobody finds it`,
		"{a: {image: a, restart: 'no', container_name: xy}}":                                                               `service "a": container_name: xy: not carried over: it has no Service, for it has no ports`,
		"{a: {image: a, container_name: a_1}}":                                                                             `service "a": container_name: a_1: not carried over: no Service can be called so`,
		"{a: {image: a, container_name: bb}, bb: {image: b}}":                                                              `service "a": container_name: bb: not carried over: there is another Service of that name`,
		"{a: {image: a, restart: on-failure, expose: [1]}}":                                                                `service "a": restart: a Deployment starts its pods again however they end`,
		"{a: {image: a, labels: {kompose.controller.type: statefulset, kompose.image-pull-policy: x}}}":                    `service "a": labels: kompose.controller.type: statefulset: it is a Deployment`,
		"{a: {image: a, labels: {kompose.x: y}}}":                                                                          `service "a": labels: kompose.x: not carried over`,
		"{a: {image: a, expose: ['1-500']}}":                                                                               `service "a": expose: 1-500: not carried over`,
		"{a: {image: a, ports: ['8000-8010:80']}}":                                                                         `service "a": ports: 8000-8010: not carried over: write one number for 80`,
		"{a: {image: a, extra_hosts: ['a_b:1.2.3.4']}}":                                                                    `service "a": extra_hosts: a_b: not carried over`,
		"{a: {image: a, privileged: true, security_opt: [no-new-privileges]}}":                                             `service "a": security_opt: no-new-privileges: not carried over`,
		"{a: {image: a, user: 'me:5'}}":                                                                                    `service "a": user: me:5: not carried over: write its numbers`,
		"{a: {image: a, user: '5:us'}}":                                                                                    `service "a": user: the group us: not carried over: write its number`,
		"{a_b: {image: a}}":                                                                                                `service "a_b": name: it is called a-b: so do others find it`,
		"{a: {image: a, network_mode: none}}":                                                                              `service "a": network_mode: none: not carried over: a pod has its own network`,
		"{a: {image: a, post_start: [{command: [x]}, {command: [y]}]}}":                                                    `service "a": post_start: not carried over: there are 2 commands`,
		"{a: {image: a, dns: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}}":                                                       `service "a": dns: 1.1.1.4: not carried over: a pod has three at most`,
		"{a: {image: a, entrypoint: []}}":                                                                                  `service "a": entrypoint: an empty one does not take away the image's`,
		"{a: {image: a, healthcheck: {interval: 5s}}}":                                                                     `service "a": healthcheck: the image's own test is not run by Kubernetes`,
		"{a: {image: a, tmpfs: '/t:mode=700'}}":                                                                            `service "a": tmpfs: /t: mode=700: not carried over`,
	} {
		p := read(t, "services: "+services)
		r, err := Project(p, Options{ReadFile: readFile})
		if err != nil {
			t.Errorf("%s: %v", services, err)
		}
		var lines []string
		for _, n := range r.Notes {
			lines = append(lines, n.String())
		}
		if !strings.Contains("\n"+strings.Join(lines, "\n"), "\n"+want) {
			t.Errorf("%s: %q, want %q", services, lines, want)
		}
	}
}

// TestComments: no text gets out of a comment.
func TestComments(t *testing.T) {
	p := read(t, `services: {a: {image: a, labels: {"x\nkind: Pod": y}, environment: {"A\n---\nB": c}}}`)
	for _, line := range strings.Split(write(t, p), "\n") {
		if line == "kind: Pod" || line == "B" {
			t.Error(write(t, p))
		}
	}
}

// TestNoText: bytes that are no text are refused, not written as something else.
func TestNoText(t *testing.T) {
	p := read(t, "services: {a: {image: a}}")
	s, value := p.Services["a"], "caf\xe9"
	s.Environment = types.MappingWithEquals{"A": &value}
	p.Services["a"] = s
	r, err := Project(p, Options{})
	if err == nil {
		err = r.Write(io.Discard, "x")
	}
	if err == nil || err.Error() != "write Deployment a: a text in it is not UTF-8" {
		t.Error(err)
	}
}
