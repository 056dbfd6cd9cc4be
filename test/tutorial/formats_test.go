// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"encoding/json"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestInspectOfEveryKind asks for what scripts ask for: fields that have no
// value, Go's names, numbers, several objects of several kinds, and what is
// not there.
func TestInspectOfEveryKind(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("volume", "create", "vol")
	u.ok("network", "create", "net")
	id := u.ok("create", "--name", "box", "-v", "/anonymous", "-p", "80", "--label", "a=b", "busybox", "true")
	for format, want := range map[string]string{
		"{{.ID}}": id, "{{.Id}} {{.Name}}": id + " /box", "{{if .State.Health}}sick{{else}}none{{end}}": "none",
		"{{if eq .State.ExitCode 0}}{{.State.Status}}{{end}}": "created", "{{json .HostConfig.Binds}} {{.HostConfig.ShmSize}}": "null 67108864",
		"{{range $p, $b := .Config.ExposedPorts}}{{$p}}{{end}} {{.Config.Volumes}}": "80/tcp map[/anonymous:{}]", "{{.NetworkSettings.IPAddress}}": "",
	} {
		if got := u.ok("inspect", "-f", format, "box"); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	r := u.result("inspect", "-f", "{{.Name}}", "box", "net", "vol", "nosuch", "bridge")
	if r.Out != "/box\nnet\nvol\nbridge\n" || r.Code != 1 || !strings.Contains(r.Err, "no such object: nosuch") {
		t.Errorf("%+v", r)
	}
	// An image of another platform is none; there is no registry here to have it.
	u.fails(125, []string{"image with reference busybox was found but does not provide the specified platform (linux/riscv64)"},
		"run", "--rm", "--pull", "never", "--platform", "linux/riscv64", "busybox", "true")
	u.env = append(u.env, "DOCKER_DEFAULT_PLATFORM=linux/riscv64")
	u.fails(125, []string{"does not provide the specified platform (linux/riscv64)"}, "run", "--rm", "--pull", "never", "busybox", "true")
	u.env = u.env[:len(u.env)-1]
	u.ok("create", "--platform", "linux", "--name", "other", "--network", "container:box", "--volumes-from", "box:ro", "busybox", "true")
	if got := u.ok("ps", "-a", "--filter", "name=other", "--filter", "is-task=false", "--format", "{{.Networks}}|{{.LocalVolumes}}"); got != "|1" {
		t.Error(got)
	}
	if got := u.ok("inspect", "-f", "{{.HostConfig.VolumesFrom}} {{.Config.Volumes}} {{len .Mounts}}", "other"); got != "[box:ro] map[] 1" {
		t.Error(got)
	}
	var all []map[string]any
	if r := u.result("inspect", "--size", "box", "busybox"); json.Unmarshal([]byte(r.Out), &all) != nil || len(all) != 2 || all[0]["SizeRw"] == nil ||
		!strings.Contains(r.Err, "WARNING: --size ignored for image") {
		t.Errorf("%+v", r)
	}
	if got := u.ok("image", "inspect", "-f", "{{.Config.Hostname}}{{.Parent}}{{gt .Size 10}} {{eq .Size .VirtualSize}} {{json .Config.Labels}}", "busybox"); got != "true true null" {
		t.Error(got)
	}
	if got := u.ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}} {{len .Containers}}", "bridge"); !strings.HasSuffix(got, ".2 0") {
		t.Error(got)
	}
	for _, c := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{"inspect", "-f", "{{.Nope}}", "box"}, 1, `template parsing error: template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"`},
		{[]string{"inspect", "-f", "{{", "box"}, 64, "template parsing error: template: :1: unclosed action"},
		{[]string{"inspect", "--type", "volume", "box"}, 1, "no such volume"},
		{[]string{"inspect", "--type", "x", "box"}, 1, `unknown type: "x": must be one of "config", "container", "image", "network",`},
		{[]string{"inspect", "--type", "", "box"}, 1, `type is empty: must be one of "config",`},
		{[]string{"version", "-f", "{{.Nope}}"}, 1, "can't evaluate field Nope in type"},
		{[]string{"info", "-f", "{{"}, 64, "template parsing error"},
		{[]string{"events", "--until", "0s", "--format", "{{.Nope}}"}, 64, "Error parsing format: template: :1:2:"},
		{[]string{"ps", "--format", "{{.Nope}}"}, 1, "failed to execute template: "},
		{[]string{"images", "--format", "{{.Nope}}"}, 1, "template parsing error: template: :1:2:"},
		{[]string{"port", "box", "x"}, 1, "invalid port 'x'"},
	} {
		if r := u.result(c.args...); r.Code != c.code || !strings.Contains(r.Err, c.err) || strings.Trim(r.Out, "[]\n") != "" {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
}

// TestListsInEveryForm shows each list as a table, a line of JSON, a template
// and names alone.
func TestListsInEveryForm(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("create", "--name", "box", "-v", "vol:/v", "--label", "x.y=z", "busybox", "true")
	for _, c := range []struct{ args, format, want string }{
		{"ps -a", `{{.Names}}\t{{.Label "x.y"}}\n{{.Mounts}}`, "box\tz\nvol"}, {"ps -a", "table {{.Names}}\t{{.State}}", "NAMES     STATE\nbox       created"},
		{"images", `{{.Repository}}\t{{.Tag}}`, "busybox\tlatest"}, {"images -q", "{{.Tag}}", "latest"}, {"images", "raw", "repository: busybox"},
		{"volume ls", "{{.Name}} {{.Links}}{{.Size}}", "vol N/AN/A"}, {"volume ls -q", "", "vol"}, {"volume ls", "table", "DRIVER    VOLUME NAME\nlocal     vol"},
		{"network ls -f name=none", "{{.Name}}/{{.Driver}}/{{.IPv6}} {{slice .CreatedAt 0 2}}", "none/null/false 20"}, {"network ls -q -f name=host", "", "686f73740000"},
		{"history -q busybox", "{{.ID}}", u.ok("images", "-q")}, {"ps -a", "json", `{"Command":`}, {"images", "{{json .}}", `{"Containers":"N/A",`},
		{"volume ls", "json", `{"Availability":`}, {"network ls", "json", `{"CreatedAt":"20`}, {"history busybox", "json", `{"Comment":`},
	} {
		args := strings.Fields(c.args)
		if c.format != "" {
			args = append(args, "--format", c.format)
		}
		if got := u.ok(args...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %q:\n%s\nwant\n%s", c.args, c.format, got, c.want)
		}
	}
	r := u.result("ps", "-aq", "--format", "{{.Names}}")
	if r.Code != 0 || len(strings.TrimSpace(r.Out)) != 12 || !strings.Contains(r.Err, "WARNING: Ignoring custom format") {
		t.Errorf("%+v", r)
	}
	if got := u.ok("version", "-f", "{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.Experimental}}"); !strings.HasPrefix(got, "1.") || !strings.HasSuffix(got, " false") {
		t.Error(got)
	}
	if got := u.ok("info", "-f", "{{.ContainersStopped}} {{.Images}} {{.OSType}} {{.Swarm.LocalNodeState}} {{json .Plugins.Log}}"); !strings.HasPrefix(got, "1 1 linux inactive [") || !strings.Contains(got, `"local"`) {
		t.Error(got)
	}
	testutil.Contains(t, u.ok("info"), "Log: ", "json-file local none")
}
