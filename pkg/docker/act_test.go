// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"syscall"
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
)

func TestExecOptions(t *testing.T) {
	var q ExecRequest // that of the documentation, and what it leaves out
	if err := json.Unmarshal([]byte(`{"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"DetachKeys":"ctrl-p,ctrl-q","Tty":true,"Cmd":["date"],
		"Env":["FOO=bar","FOO=baz","GONE"],"User":"1000:1000","WorkingDir":"/srv","Privileged":true,"ConsoleSize":[24,80]}`), &q); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%+v", ExecOptions(q)), fmt.Sprintf("%+v", control.ExecOptions{
		Args: []string{"date"}, Env: []string{"FOO=baz"}, Cwd: "/srv", User: "1000:1000", Tty: true, Stdin: true, Privileged: true, Rows: 24, Cols: 80,
	}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, c := range []struct{ in, out, err, detach bool }{{detach: true}, {in: true}, {out: true}, {err: true}} {
		if o := ExecOptions(ExecRequest{AttachStdin: c.in, AttachStdout: c.out, AttachStderr: c.err}); o.Detach != c.detach || o.Stdin != c.in {
			t.Errorf("%+v: %+v", c, o)
		}
	}
}

func TestSignals(t *testing.T) {
	for s, want := range map[string]syscall.Signal{"": 0, "HUP": 1, "SIGTERM": 15, "9": 9} {
		if got, err := (StopRequest{Signal: s}).Number(); err != nil || got != want {
			t.Errorf("stop %q: %v, %v", s, got, err)
		}
		if s == "" {
			want = syscall.SIGKILL
		}
		if got, err := (KillRequest{Signal: s}).Number(); err != nil || got != want {
			t.Errorf("kill %q: %v, %v", s, got, err)
		}
	}
	if _, err := (KillRequest{Signal: "x"}).Number(); KindOf(err) != Invalid {
		t.Error(err)
	}
}

func TestUpdate(t *testing.T) {
	for request, want := range map[string]string{
		`{}`: "{Memory:104857600 CPUPeriod:100000 CPUQuota:50000 PidsLimit:64} {no 0}",
		`{"Memory":314572800,"MemorySwap":514288000,"CpuShares":512,"RestartPolicy":{"MaximumRetryCount":4,"Name":"on-failure"}}`: "{Memory:314572800 MemorySwap:514288000 CPUPeriod:100000 CPUQuota:50000 CPUShares:512 PidsLimit:64} {on-failure 4}",
		`{"NanoCpus":1000000000,"PidsLimit":0,"CpusetCpus":"0","CpusetMems":"0","BlkioWeight":300,"MemoryReservation":8388608}`:   "{Memory:104857600 MemoryReservation:8388608 NanoCPUs:1000000000 CpusetCpus:0 CpusetMems:0 PidsLimit:-1 BlkioWeight:300} {no 0}",
		`{"Memory":1}`:                           "Minimum memory limit allowed is 6MB",
		`{"RestartPolicy":{"Name":"x"}}`:         "invalid restart policy: unknown policy 'x'",
		`{"CpuRealtimePeriod":1}`:                "--cpu-rt-period is not supported",
		`{"Ulimits":[{"Name":"x"}]}`:             "Ulimits cannot be updated",
		`{"BlkioDeviceReadBps":[{"Path":"/x"}]}`: "BlkioDeviceReadBps cannot be updated",
		`{"OomKillDisable":true}`:                "OomKillDisable cannot be updated",
	} {
		c := created()
		c.Limits.Cgroup = cgroup.Limits{Memory: 100 << 20, CPUPeriod: 100_000, CPUQuota: 50_000, PidsLimit: 64}
		c.Life.Restart = container.Restart{Name: "no"}
		var q UpdateRequest
		if err := json.Unmarshal([]byte(request), &q); err != nil {
			t.Fatal(err)
		}
		l, p, _, err := Update(c, q, testWorld())
		if err != nil {
			wants(t, request, err, want)
			continue
		}
		if got := short(l) + fmt.Sprintf(" %v", p); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	c := created()
	c.Life.AutoRemove = true
	_, _, _, err := Update(c, UpdateRequest{RestartPolicy: moby.RestartPolicy{Name: "always"}}, testWorld())
	wants(t, "--rm", err, "Restart policy cannot be updated because AutoRemove is enabled for the container")
}

// short has the fields that are set.
func short(l cgroup.Limits) string {
	text, v := "", reflect.ValueOf(l)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			text += fmt.Sprintf(" %s:%v", v.Type().Field(i).Name, v.Field(i))
		}
	}
	return "{" + strings.TrimSpace(text) + "}"
}
