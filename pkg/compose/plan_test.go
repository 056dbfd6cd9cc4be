// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/compose/load"
	"coracle/pkg/container"
	"coracle/pkg/network"
	"coracle/pkg/state"
	"coracle/pkg/volume"
)

// projectOf reads a project called p.
func projectOf(t *testing.T, text string) *types.Project {
	t.Helper()
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := load.Project(t.Context(), load.Options{Files: []string{file}, Name: "p"})
	if err == nil {
		p, err = load.Select(p, nil, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// happened is what there is after a plan was carried out and all was started.
func happened(t *testing.T, p *types.Project, plan Plan) Observed {
	t.Helper()
	o := Observed{Services: map[string][]*container.Container{}, Networks: map[string]network.Network{}, Volumes: map[string]volume.Volume{}}
	first := func(service string) (string, bool) {
		if l := o.Services[service]; len(l) > 0 {
			return l[0].ID, true
		}
		return "", false
	}
	for _, s := range plan.Steps {
		switch s.Do {
		case MakeNetwork:
			q, err := convert.Network(p, s.Key)
			if err != nil {
				t.Fatal(err)
			}
			o.Networks[q.Name] = network.Network{Name: q.Name, Labels: q.Labels}
		case MakeVolume:
			q, err := convert.Volume(p, s.Key)
			if err != nil {
				t.Fatal(err)
			}
			o.Volumes[q.Name] = volume.Volume{Name: q.Name, Labels: q.Labels}
		case Create:
			service, err := convert.Resolve(p.Services[s.Service], first)
			if err != nil {
				t.Fatal(err)
			}
			q, _, err := convert.Container(p, service, convert.Options{Number: s.Number, ImageID: facts(p)[s.Service].ID})
			if err != nil {
				t.Fatal(err)
			}
			c := &container.Container{Record: container.Record{ID: state.NewID(), Name: q.Name, Labels: q.Labels}}
			c.State.Status, c.State.StartedAt = container.Running, time.Unix(1, 0)
			for name := range q.NetworkingConfig.EndpointsConfig {
				c.Net.Networks = append(c.Net.Networks, container.Endpoint{Network: name})
			}
			for _, b := range q.HostConfig.Binds {
				name, target, _ := strings.Cut(b, ":")
				target, _, _ = strings.Cut(target, ":")
				c.Mounts = append(c.Mounts, container.Mount{Type: container.MountVolume, Name: name, Target: target})
			}
			for _, m := range q.HostConfig.Mounts {
				if m.Type == "volume" && m.Source == "" {
					m.Source = state.NewID()
				}
				c.Mounts = append(c.Mounts, container.Mount{Type: string(m.Type), Name: m.Source, Target: m.Target})
			}
			o.Services[s.Service] = append(o.Services[s.Service], c)
		}
	}
	return o
}

const shop = `
services:
  web: {image: web, depends_on: {db: {condition: service_healthy, restart: true}}, networks: [front, default], scale: 2}
  db: {image: db, volumes: ["data:/data", "/anonymous"], environment: {A: "1"}}
  side: {image: side, network_mode: "service:db"}
networks: {front: {}}
volumes: {data: {}}
`

// TestNamedContainer is made after the services that it depends on, one of whose
// containers it may be.
func TestNamedContainer(t *testing.T) {
	p := projectOf(t, `
services:
  a: {image: a, pid: "container:p-b-1", ipc: "container:p-b-1", depends_on: [b], network_mode: none}
  b: {image: b, network_mode: none}
  c: {image: c, depends_on: [b], network_mode: none}
`)
	plan, err := Decide(p, nothing(), Choices{Images: facts(p)})
	if got, want := plan.String(), "create p-b-1\ncreate p-a-1 after p-b-1\ncreate p-c-1\n"; err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

// TestSecondUp: the second time there is nothing to do, and what has changed is all
// that is done.
func TestSecondUp(t *testing.T) {
	p := projectOf(t, shop)
	first, err := Decide(p, nothing(), Choices{Images: facts(p)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := first.String(), `create network p_default
create network p_front
create volume p_data
create p-db-1 after p_default, p_data
create p-side-1 after p-db-1
create p-web-1 after p_default, p_front
create p-web-2 after p_default, p_front
`; got != want {
		t.Errorf("first:\n%swant:\n%s", got, want)
	}
	has := happened(t, p, first)
	for _, c := range []struct {
		name    string
		file    func(string) string
		choices func(*Choices)
		has     func(*Observed)
		want    string
	}{
		{name: "nothing", want: ""},
		{name: "an order, a policy, a scale", file: replace(`depends_on: {db: {condition: service_healthy, restart: true}}`, `pull_policy: always, profiles: []`), want: ""},
		{name: "a variable", file: replace(`A: "1"`, `A: "2"`), want: `stop p-side-1 (restarts with db)
stop p-web-1 (restarts with db)
stop p-web-2 (restarts with db)
recreate p-db-1 (configuration changed) after p-side-1, p-web-1, p-web-2
recreate p-side-1 (what it shares is another container's now) after p-db-1, p-side-1
`},
		{name: "an image", choices: func(c *Choices) { c.Images["web"] = ImageFacts{ID: "sha256:newer"} },
			want: "recreate p-web-1 (image changed)\nrecreate p-web-2 (image changed)\n"},
		{name: "fewer", file: replace("scale: 2", "scale: 1"), want: "remove p-web-2 (scaled down)\n"},
		{name: "more", file: replace("scale: 2", "scale: 3"), want: "create p-web-3\n"},
		{name: "none", file: replace("scale: 2", "scale: 0"), want: "remove p-web-1 (scaled down)\nremove p-web-2 (scaled down)\n"},
		{name: "forced for one", choices: func(c *Choices) { c.Services, c.Recreate = []string{"side"}, Always }, want: "recreate p-side-1 (forced)\n"},
		{name: "never", file: replace(`A: "1"`, `A: "2"`), choices: func(c *Choices) { c.Recreate, c.Dependencies = Never, Never }, want: ""},
		{name: "a network", file: replace("networks: {front: {}}", "networks: {front: {internal: true}}"), want: `stop p-web-1 (its network changes)
stop p-web-2 (its network changes)
remove network p_front (changed) after p-web-1, p-web-2
create network p_front after p_front
recreate p-web-1 (network changed) after p_front, p-web-1, p-web-2
recreate p-web-2 (network changed) after p_front, p-web-1, p-web-2
`},
		{name: "another volume", file: replace("volumes: {data: {}}", "volumes: {data: {name: other}}"), want: `create volume other
stop p-side-1 (restarts with db)
stop p-web-1 (restarts with db)
stop p-web-2 (restarts with db)
recreate p-db-1 (volume changed) after other, p-side-1, p-web-1, p-web-2
recreate p-side-1 (what it shares is another container's now) after p-db-1, p-side-1
`},
		{name: "one is gone", has: func(o *Observed) { o.Services["web"] = o.Services["web"][1:] }, want: "create p-web-3\n"},
		{name: "an orphan", file: replace("  side: {image: side, network_mode: \"service:db\"}\n", ""), choices: func(c *Choices) { c.RemoveOrphans = true },
			want: "remove p-side-1 (orphan)\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, now := p, has
			if c.file != nil {
				p = projectOf(t, c.file(shop))
			}
			if c.has != nil {
				now.Services = map[string][]*container.Container{}
				for k, v := range has.Services {
					now.Services[k] = v
				}
				c.has(&now)
			}
			choices := Choices{Images: facts(p)}
			if c.choices != nil {
				c.choices(&choices)
			}
			plan, err := Decide(p, now, choices)
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.String(); got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}

func replace(old, new string) func(string) string {
	return func(text string) string { return strings.Replace(text, old, new, 1) }
}

// TestStarts: what is started after a plan, what that waits for, and what runs on.
func TestStarts(t *testing.T) {
	p := projectOf(t, strings.Replace(shop, "networks: {front: {}}\n", `
  once: {image: once, depends_on: {side: {condition: service_completed_successfully}, web: {condition: service_started}}}
networks: {front: {}}
`, 1))
	has := nothing()
	for _, c := range []struct{ name, want string }{
		{"first", `start p-db-1
start p-side-1 when p-db-1 is started
start p-web-1 when p-db-1 is healthy
start p-web-2 when p-db-1 is healthy
start p-once-1 when p-side-1 has ended with 0, p-web-1 is started, p-web-2 is started
`},
		{"all run", ""},
		{"its dependency restarts", `start p-db-1
start p-side-1 when p-db-1 is started
start p-web-1 when p-db-1 is healthy
start p-web-2 when p-db-1 is healthy
`},
	} {
		choices := Choices{Images: facts(p)}
		if c.name == "its dependency restarts" {
			choices.Services, choices.Recreate = []string{"db"}, Always
		}
		plan, err := Decide(p, has, choices)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := plan.Starts(p); err != nil || got != c.want {
			t.Errorf("%s: %v\n%swant:\n%s", c.name, err, got, c.want)
		}
		if c.name == "first" {
			has = happened(t, p, plan)
		}
	}
}

// TestCarriedOver: a volume without a name goes to the container that replaces the one
// that has it, unless new ones are asked for.
func TestCarriedOver(t *testing.T) {
	p := projectOf(t, "services: {a: {image: a, volumes: [/own]}}")
	first, err := Decide(p, nothing(), Choices{Images: facts(p)})
	if err != nil {
		t.Fatal(err)
	}
	has := happened(t, p, first)
	old := has.Services["a"][0]
	old.Mounts = append(old.Mounts, container.Mount{Type: container.MountVolume, Name: state.NewID(), Target: "/of/image/"},
		container.Mount{Type: container.MountVolume, Name: state.NewID(), Target: "/of/nobody"})
	for _, renew := range []bool{false, true} {
		plan, err := Decide(p, has, Choices{Recreate: Always, RenewVolumes: renew, Images: map[string]ImageFacts{"a": {ID: "sha256:a", Volumes: []string{"/of/image"}}}})
		if err != nil {
			t.Fatal(err)
		}
		carry := plan.Steps[0].Carry
		if !renew && (len(carry) != 2 || carry["/own"] != old.Mounts[0].Name || carry["/of/image"] != old.Mounts[1].Name) || renew && len(carry) > 0 {
			t.Errorf("renew %v: %v of %v", renew, carry, old.Mounts)
		}
	}
	q, _, err := convert.Container(p, p.Services["a"], convert.Options{Number: 1, Carry: map[string]string{"/own": "v1", "/of/image": "v2"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range q.HostConfig.Mounts {
		got = append(got, m.Source+":"+m.Target)
	}
	if strings.Join(got, " ") != "v1:/own v2:/of/image" {
		t.Errorf("mounts: %v", got)
	}
}

// TestRefusedPlans: what cannot be is said before anything is done.
func TestRefusedPlans(t *testing.T) {
	for text, want := range map[string]string{
		"services: {a: {image: a, networks: [n]}}\nnetworks: {n: {external: true}}":                                                "network n declared as external, but could not be found",
		"services: {a: {image: a, volumes: [\"data:/v\"]}}\nvolumes: {data: {external: true}}":                                     `external volume "data" not found`,
		"services: {a: {image: a, container_name: xx}, b: {image: a, container_name: xx}}":                                         "container name \"xx\" is already in use by service",
		"services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {environment: SURELY_NOT_SET}}":                                     `environment variable "SURELY_NOT_SET" required by secret "s" is not set`,
		"services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {external: true}}":                                                  "unsupported external secret s",
		"services: {a: {image: a, device_cgroup_rules: [\"c 1:3 mr\"]}}":                                                           "device_cgroup_rules is not supported: it takes root",
		"services: {a: {image: a, networks: {default: {ipv4_address: nonsense}}}}":                                                 "invalid IP address: nonsense",
		"services: {a: {image: a, configs: [{source: c, uid: me}]}}\nconfigs: {c: {content: x}}":                                   "uid and gid are numbers",
		"services: {a: {image: a, security_opt: [nonsense]}}":                                                                      `invalid security-opt: "nonsense"`,
		"services: {a: {image: a, mac_address: \"02:42:ac:11:00:01\", networks: {default: {mac_address: \"02:42:ac:11:00:02\"}}}}": "the service-level mac_address should have the same value as network default",
	} {
		p := projectOf(t, text)
		if _, err := Decide(p, nothing(), Choices{Images: facts(p)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v\nwant: %s", text, err, want)
		}
	}
	// A network of the right name that is another key's.
	p := projectOf(t, "services: {a: {image: a}}")
	has := nothing()
	has.Networks["p_default"] = network.Network{Name: "p_default", Labels: map[string]string{convert.LabelProject: "p", convert.LabelNetwork: "other"}}
	if _, err := Decide(p, has, Choices{Images: facts(p)}); err == nil || !strings.Contains(err.Error(), `incorrect label com.docker.compose.network set to "other" (expected: "default")`) {
		t.Errorf("a network of another key: %v", err)
	}
}

// TestRestartedWith: those who depend on a service and say so go with it, and so do
// theirs.
func TestRestartedWith(t *testing.T) {
	p := projectOf(t, `
services:
  a: {image: x}
  b: {image: x, depends_on: {a: {condition: service_started, restart: true}}}
  c: {image: x, depends_on: {b: {condition: service_started, restart: true}}}
  d: {image: x, depends_on: [a]}
`)
	for names, want := range map[string]string{"a": "a b c", "b": "b c", "d": "d", "": "a b c d"} {
		if got := strings.Join(restartedWith(p, strings.Fields(names)), " "); got != want {
			t.Errorf("%s: %s", names, got)
		}
	}
}
