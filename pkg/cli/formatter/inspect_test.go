// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"errors"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/docker"
)

func answer() *docker.Container {
	return &docker.Container{
		ID: "1d", State: &moby.State{Status: "exited", ExitCode: 0, Pid: 0}, RestartCount: 2,
		Config:     &docker.Config{Config: moby.Config{Labels: map[string]string{"a.b": "<c>"}, Env: []string{"A=1", "B=2"}}},
		HostConfig: &docker.HostConfig{HostConfig: moby.HostConfig{Resources: moby.Resources{NanoCPUs: 5, CPUShares: 6}, ShmSize: 64}},
		Mounts:     []moby.MountPoint{{Type: "bind", Source: "/a", Destination: "/b", RW: true}},
		NetworkSettings: &docker.NetworkSettings{
			Address: docker.Address{IPAddress: "10.0.0.2"}, Networks: map[string]*docker.Endpoint{"bridge": {IPAddress: "10.0.0.2"}},
			Ports: docker.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "8080"}}, "81/tcp": nil},
		},
	}
}

func inspect(format string, answers ...any) (string, error) {
	i, err := NewInspector(format)
	if err != nil {
		return "", err
	}
	var bad []error
	for _, a := range answers {
		bad = append(bad, i.Add(a))
	}
	var b strings.Builder
	bad = append(bad, i.Flush(&b))
	return b.String(), errors.Join(bad...)
}

// What scripts ask for: Go's names, the JSON's names, what is not set, numbers,
// and what newer versions of Docker have dropped.
func TestTemplatesOfScripts(t *testing.T) {
	for format, want := range map[string]string{
		"{{.ID}}": "1d", "{{.Id}}": "1d", "{{.HostConfig.NanoCPUs}} {{.HostConfig.CPUShares}}": "5 6", "{{.HostConfig.NanoCpus}}": "5",
		"{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}": "none", "{{with .State.Health}}{{.Status}}{{end}}": "",
		"{{if eq .State.ExitCode 0}}ok{{end}} {{gt .RestartCount 1}} {{printf \"%d\" .State.Pid}}":           "ok true 0",
		"{{.Config.Entrypoint}} {{.Config.Volumes}} {{json .Config.Entrypoint}} {{json .HostConfig.CapAdd}}": "[] map[] null null",
		"{{.HostConfig.SecurityOpt}}{{.HostConfig.Tmpfs}}{{.HostConfig.Links}}{{.HostConfig.Mounts}}":        "[]map[][][]",
		"{{index .Config.Labels \"none\"}}|{{index .Config.Labels \"a.b\"}}|{{.Config.Labels.none}}":         "|<c>|<no value>",
		"{{json .Config.Labels}}": `{"a.b":"<c>"}`, "{{range .Config.Env}}{{println .}}{{end}}": "A=1\nB=2\n",
		"{{range .Config.OnBuild}}x{{else}}none{{end}}": "none", "{{len .Mounts}}{{(index .Mounts 0).Source}}": "1/a",
		"{{range .Mounts}}{{.Type}}:{{.Source}}:{{.RW}}{{end}}": "bind:/a:true", "{{.Mounts}}": "[{bind  /a /b   true }]",
		"{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Networks.bridge.IPAddress}}": "10.0.0.2 10.0.0.2",
		"{{range .NetworkSettings.Networks}}{{.IPAddress}}|{{.Gateway}}{{end}}":         "10.0.0.2|",
		"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}":              "8080", "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostIP}}": "127.0.0.1",
		"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostIp}}": "127.0.0.1", "{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{len $c}} {{end}}": "80/tcp=1 81/tcp=0 ",
		"{{.State.Status}} {{.State.Running}} {{.HostConfig.ShmSize}} {{.HostConfig.RestartPolicy}} {{.HostConfig.LogConfig}}": "exited false 64 { 0} { map[]}",
		"{{join .Config.Env \",\"}} {{upper .ID}} {{slice .ID 1}} {{title \"x\"}}":                                             "A=1,B=2 1D d X",
		`a\tb`: `a\tb`, // what a list takes for a tab
		"{{.HostConfig.PidsLimit}} {{json .HostConfig.PidsLimit}}": "<nil> null", "{{.HostConfig.ContainerIDFile}}{{.NetworkSettings.SandboxKey}}{{.Config.MacAddress}}": "",
	} {
		if got, err := inspect(format, answer()); got != want+"\n" || err != nil {
			t.Errorf("%s: %q, %v, want %q", format, got, err, want)
		}
	}
}

func TestTemplatesThatFail(t *testing.T) {
	for format, want := range map[string]struct {
		code int
		text string
	}{
		"{{.Foo}}":                 {1, `template parsing error: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"`},
		"{{.State.Health.Status}}": {1, `template parsing error: template: :1:8: executing "" at <.State.Health.Status>: map has no entry for key "Health"`},
		"{{.ID.x}}":                {1, `template parsing error: template: :1:5: executing "" at <.ID.x>: map has no entry for key "ID"`},
		"{{.ID":                    {64, "template parsing error: template: :1: unclosed action"},
		"{{nosuch}}":               {64, `template parsing error: template: :1: function "nosuch" not defined`},
	} {
		got, err := inspect(format, answer())
		var bad *Error
		if !errors.As(err, &bad) || bad.Code != want.code || err.Error() != want.text {
			t.Errorf("%s: %v", format, err)
		}
		if want.code == 1 && got != "\n" {
			t.Errorf("%s printed %q", format, got)
		}
	}
}

// One that fails takes the others not with it.
func TestOthersArePrinted(t *testing.T) {
	got, err := inspect("{{.Mountpoint}}", answer(), &volume.Volume{Mountpoint: "/v"})
	if got != "/v\n" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInspectJSON(t *testing.T) {
	v := &volume.Volume{Name: "a<b", Driver: "local"}
	for _, c := range []struct{ format, want string }{
		{"", "[\n    {\n        \"Driver\": \"local\",\n        \"Labels\": null,\n        \"Mountpoint\": \"\",\n        \"Name\": \"a<b\",\n        \"Options\": null,\n        \"Scope\": \"\"\n    }\n]\n"},
		{"json", `[{"Driver":"local","Labels":null,"Mountpoint":"","Name":"a<b","Options":null,"Scope":""}]` + "\n"},
	} {
		if got, err := inspect(c.format, v); got != c.want || err != nil {
			t.Errorf("%q: %s, %v", c.format, got, err)
		}
		if got, err := inspect(c.format); got != "[]\n" || err != nil {
			t.Errorf("%q: nothing is %q, %v", c.format, got, err)
		}
	}
	if got, _ := inspect("{{.Name}}"); got != "\n" {
		t.Errorf("nothing is %q", got)
	}
}

func TestObject(t *testing.T) {
	v := docker.Versions(docker.Program{Version: "1.2.3", OS: "linux"})
	for format, want := range map[string]string{
		"{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.Version}} {{.Client.Os}}": "1.51 1.51 1.2.3 linux",
		"{{.Server.Experimental}} {{.Server.GitCommit}}":                                   "false ", "{{.Client.ApiVersion}}": "1.51", "{{.Server.Platform.Name}}": "coracle",
		"{{range .Server.Components}}{{.Name}}{{index .Details \"ApiVersion\"}}{{end}}": "Engine1.51",
	} {
		if got, err := Object(format, v); got != want || err != nil {
			t.Errorf("%s: %q, %v", format, got, err)
		}
	}
	for _, format := range []string{"json", "{{json .}}"} {
		if got, err := Object(format, v); !strings.HasPrefix(got, `{"Client":{"Platform"`) || err != nil {
			t.Errorf("%s: %q, %v", format, got, err)
		}
	}
	for format, code := range map[string]int{"{{.Foo}}": 1, "{{": 64} {
		_, err := Object(format, v)
		var bad *Error
		if !errors.As(err, &bad) || bad.Code != code || code == 1 && !strings.HasSuffix(err.Error(), "can't evaluate field Foo in type *docker.Version") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestClean(t *testing.T) {
	if got := Clean("a\x1b[31mb\u0085\n\x7fé"); got != "a[31mbé" {
		t.Errorf("%q", got)
	}
}
