// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coracle/internal/testutil/projects"
)

// alike are projects of which both programs are to make the same.
var alike = []string{
	"airflow", "chain", "custom-names", "django-postgres", "extends", "healthchecks", "inherit-env", "labels", "logging", "mac", "many-networks",
	"minecraft", "none-and-bridge", "ports", "profiles", "scale-zero", "security", "swarm-leftovers", "ten", "traefik",
	"variables", "wordpress",
}

// TestSameContainers: docker compose's own program and this one make the same
// containers, networks and volumes of the same files.
func TestSameContainers(t *testing.T) {
	program := theirs(t)
	p := newProject(t, "services: {a: {image: busybox}}\n")
	p.env = append(p.env, "GITLAB_HOME=./gitlab", "DOCKER_BUILDKIT=0")
	p.do("import", "-c", `CMD ["sh"]`, filepath.Join(os.Getenv("CORACLE_FIXTURES"), "busybox.tar"), "busybox").ok()
	projects.Unpack(t, p.dir)
	for _, name := range alike {
		t.Run(name, func(t *testing.T) {
			one := *p
			one.t = t
			one.compare(program, name)
		})
	}
}

func (p *project) compare(program, name string) {
	file := name + ".yaml"
	var m model
	if err := json.Unmarshal([]byte(p.compose("-f", file, "--profile", "*", "config", "--format", "json").Out), &m); err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("services:\n")
	for name := range m.Services {
		fmt.Fprintf(&b, "  %s:\n    image: busybox\n    pull_policy: missing\n    build: !reset null\n    platform: !reset null\n", name)
	}
	p.file("override.yaml", b.String())
	args := []string{"-p", "same", "-f", file, "-f", "override.yaml"}
	down := func() { p.compose(append(args, "down", "-v", "-t", "0", "--remove-orphans")...) }
	defer down()
	p.compose(append(args, "create")...)
	ours := p.made()
	down()
	p.do(append(append([]string{"api", program}, args...), "create")...).ok()
	theirs := p.made()
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		if theirs[key] != ours[key] {
			p.t.Errorf("%s\nours:   %s\ntheirs: %s", key, ours[key], theirs[key])
		}
		delete(theirs, key)
	}
	for key, text := range theirs {
		p.t.Errorf("%s\nours:   nothing\ntheirs: %s", key, text)
	}
}

// made is what there is of the project, as inspect tells of it: each value by its path.
func (p *project) made() map[string]string {
	all := map[string]string{}
	for _, kind := range [][]string{{"container", "ps", "-aq"}, {"network", "network", "ls", "-q"}, {"volume", "volume", "ls", "-q"}} {
		ids := strings.Fields(p.do(append(kind[1:], "-f", "label=com.docker.compose.project=same")...).ok().Out)
		if len(ids) == 0 {
			continue
		}
		var list []map[string]any
		if err := json.Unmarshal([]byte(p.do(append([]string{kind[0], "inspect"}, ids...)...).ok().Out), &list); err != nil {
			p.t.Fatal(err)
		}
		for _, v := range list {
			flat(all, kind[0]+" "+fmt.Sprint(v["Name"]), v)
		}
	}
	return all
}

// other are what is different for each container, wherever it was made; and what only
// one of the two has: a label of ours for files that we put into containers, and the
// version, which is none in a program that was built for a test.
var other = []string{
	"com.docker.compose.version", "coracle.compose.files-hash", "DNSNames", "IPAM",
	"Id", "Created", "CreatedAt", "Hostname", "StartedAt", "FinishedAt", "Mountpoint", "LogPath", "HostnamePath", "HostsPath", "ResolvConfPath", "NetworkID", "EndpointID", "SandboxID", "MergedDir", "UpperDir", "WorkDir",
}

// flat writes each value into all by its path.
func flat(all map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, v := range v {
			if !slices.Contains(other, k) {
				flat(all, path+"."+k, v)
			}
		}
	case []any:
		texts := []string{}
		for _, v := range v {
			text, _ := json.Marshal(v)
			texts = append(texts, string(text))
		}
		if !strings.HasSuffix(path, "Cmd") && !strings.HasSuffix(path, "Entrypoint") {
			slices.Sort(texts)
		}
		if len(texts) > 0 {
			all[path] = strings.Join(texts, " ")
		}
	case nil:
	case string:
		if strings.HasSuffix(path, "depends_on") { // theirs is in no order
			list := strings.Split(v, ",")
			slices.Sort(list)
			v = strings.Join(list, ",")
		}
		if v != "" {
			all[path] = v
		}
	default:
		if text := fmt.Sprint(v); text != "" && text != "0" && text != "false" {
			all[path] = text
		}
	}
}
