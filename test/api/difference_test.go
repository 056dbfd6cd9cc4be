// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// operation is the same thing by the command line and by the API; without arguments it
// is the first of two requests, whose answer has the ID that stands as EXEC in the path of
// the second. A body @NAME is a file of the first user's.
type operation struct {
	args               []string
	method, path, body string
}

// builds are two files of a context.
func builds() []testutil.File {
	return []testutil.File{{Name: "Dockerfile", Text: "FROM busybox\nARG A\nRUN echo $A > /a\nCOPY f /f\nLABEL l=m\n"}, {Name: "f", Text: "text"}}
}

// operations are the ones that change something, in an order in which each is
// possible. What the command line sends always, and clients do not, is sent here.
// Words in capitals stand for files, see TestSameEitherWay. The registry takes and gives
// images.
func operations(registry string) []operation {
	context, _ := testutil.Tar(builds()) // of names and texts there is always one
	file, _ := testutil.Tar(builds()[1:])
	return []operation{
		{words("build -t built:1 --build-arg A=b --label x=y CONTEXT"), "POST", "/build?t=built:1&buildargs=%7B%22A%22:%22b%22%7D&labels=%7B%22x%22:%22y%22%7D", string(context)},
		{words("network create --attachable --internal --subnet 10.95.0.0/24 --ip-range 10.95.0.128/25 --gateway 10.95.0.3 --aux-address r=10.95.0.9 --label a=b -o x=y net"), "POST", "/networks/create",
			`{"Name":"net","Attachable":true,"Internal":true,"Labels":{"a":"b"},"Options":{"x":"y"},"IPAM":{"Config":[{"Subnet":"10.95.0.0/24","IPRange":"10.95.0.128/25","Gateway":"10.95.0.3","AuxiliaryAddresses":{"r":"10.95.0.9"}}]}}`},
		{words("network create --ipv6 --subnet 10.96.0.0/24 --subnet fd00:96::/64 six"), "POST", "/networks/create",
			`{"Name":"six","EnableIPv6":true,"IPAM":{"Config":[{"Subnet":"10.96.0.0/24"},{"Subnet":"fd00:96::/64"}]}}`},
		{words("volume create --label a=b vol"), "POST", "/volumes/create", `{"Name":"vol","Labels":{"a":"b"}}`},
		{words("volume create -o type=tmpfs -o device=tmpfs -o o=size=1m tmp"), "POST", "/volumes/create", `{"Name":"tmp","DriverOpts":{"type":"tmpfs","device":"tmpfs","o":"size=1m"}}`},
		{words("tag busybox other:2"), "POST", "/images/busybox/tag?repo=other&tag=2", ""},
		{words("create --name plain busybox true"), "POST", "/containers/create?name=plain", `{"Image":"busybox","Cmd":["true"],"AttachStdout":true,"AttachStderr":true}`},
		{append(words("create --name full --hostname h --user 1:2 -e A=b -l c=d -w /tmp --network net --ip 10.95.0.200 --network-alias al --link plain:p -v vol:/data --tmpfs /t --restart on-failure:3 --stop-timeout 1 --stop-signal INT --cap-add SYS_PTRACE --cap-drop MKNOD --read-only --shm-size 1m --add-host x:1.2.3.4 --dns 9.9.9.9 --log-opt max-size=1m --init --expose 81 -p 127.0.0.1::80 --health-interval 1h --ulimit nofile=100:200 --sysctl net.ipv4.ip_forward=1"), "--health-cmd", "true", "busybox", "sleep", "1000"),
			"POST", "/containers/create?name=full", `{"Image":"busybox","Cmd":["sleep","1000"],"Hostname":"h","User":"1:2","Env":["A=b"],"Labels":{"c":"d"},"WorkingDir":"/tmp","StopTimeout":1,"StopSignal":"INT","AttachStdout":true,"AttachStderr":true,
			"ExposedPorts":{"81/tcp":{}},"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":3600000000000},
			"HostConfig":{"NetworkMode":"net","Binds":["vol:/data"],"Tmpfs":{"/t":""},"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"CapAdd":["CAP_SYS_PTRACE"],"CapDrop":["CAP_MKNOD"],"ReadonlyRootfs":true,"ShmSize":1048576,
			"ExtraHosts":["x:1.2.3.4"],"Dns":["9.9.9.9"],"LogConfig":{"Type":"","Config":{"max-size":"1m"}},"Init":true,"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]},"Ulimits":[{"Name":"nofile","Soft":100,"Hard":200}],"Sysctls":{"net.ipv4.ip_forward":"1"}},
			"NetworkingConfig":{"EndpointsConfig":{"net":{"IPAMConfig":{"IPv4Address":"10.95.0.200"},"Aliases":["al"],"Links":["plain:p"]}}}}`},
		{words("create --name giver --ipc shareable busybox sleep 1000"), "POST", "/containers/create?name=giver", `{"Image":"busybox","Cmd":["sleep","1000"],"AttachStdout":true,"AttachStderr":true,"HostConfig":{"IpcMode":"shareable"}}`},
		{words("create --name beside --pid container:giver --ipc container:giver busybox sleep 1000"), "POST", "/containers/create?name=beside",
			`{"Image":"busybox","Cmd":["sleep","1000"],"AttachStdout":true,"AttachStderr":true,"HostConfig":{"PidMode":"container:giver","IpcMode":"container:giver"}}`},
		{words("start giver"), "POST", "/containers/giver/start", ""},
		{words("start beside"), "POST", "/containers/beside/start", ""},
		{words("top beside"), "GET", "/containers/beside/top", ""},
		{words("rm -f beside"), "DELETE", "/containers/beside?force=1", ""},
		{words("rm -f giver"), "DELETE", "/containers/giver?force=1", ""},
		{words("start full"), "POST", "/containers/full/start", ""},
		{words("pause full"), "POST", "/containers/full/pause", ""},
		{words("unpause full"), "POST", "/containers/full/unpause", ""},
		{nil, "POST", "/containers/full/exec", `{"Cmd":["true"],"Env":["A=b"],"WorkingDir":"/","User":"0","AttachStdout":true,"AttachStderr":true}`},
		{words("exec -e A=b -w / -u 0 full true"), "POST", "/exec/EXEC/start", `{}`},
		{nil, "POST", "/containers/full/exec", `{"Cmd":["sh","-c",":"]}`},
		{words("exec -d full sh -c :"), "POST", "/exec/EXEC/start", `{"Detach":true}`},
		{words("kill -s CONT full"), "POST", "/containers/full/kill?signal=CONT", ""},
		{words("network connect --alias second --ip 10.96.0.77 six full"), "POST", "/networks/six/connect", `{"Container":"full","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.96.0.77"},"Aliases":["second"]}}`},
		{words("top full"), "GET", "/containers/full/top", ""},
		{words("rename full whole"), "POST", "/containers/full/rename?name=whole", ""},
		{words("network disconnect net whole"), "POST", "/networks/net/disconnect", `{"Container":"whole"}`},
		{words("update --restart no whole"), "POST", "/containers/whole/update", `{"RestartPolicy":{"Name":"no"}}`},
		{words("restart -t 1 whole"), "POST", "/containers/whole/restart?t=1", ""},
		{words("kill whole"), "POST", "/containers/whole/kill", ""},
		{words("start whole"), "POST", "/containers/whole/start", ""},
		{words("stop -t 1 whole"), "POST", "/containers/whole/stop?t=1", ""},
		{words("wait whole"), "POST", "/containers/whole/wait", ""},
		{words("export -o OUT plain"), "GET", "/containers/plain/export", ""},
		{words("cp IN plain:/f"), "PUT", "/containers/plain/archive?path=/", string(file)},
		{words("cp plain:/f OUT"), "GET", "/containers/plain/archive?path=/f", ""},
		{words("create --name unnamed -v /x --label a=b busybox"), "POST", "/containers/create?name=unnamed", `{"Image":"busybox","Volumes":{"/x":{}},"Labels":{"a":"b"},"AttachStdout":true,"AttachStderr":true}`},
		{words("rm -v unnamed"), "DELETE", "/containers/unnamed?v=1", ""},
		{words("diff plain"), "GET", "/containers/plain/changes", ""},
		{words("save -o OUT busybox"), "GET", "/images/busybox/get", ""},
		{append(words("commit -m why -a me -c"), "ENV X=y", "whole", "made:1"), "POST", "/commit?container=whole&comment=why&author=me&changes=ENV+X%3Dy&repo=made&tag=1", ""},
		{words("save -o SAVED made:1"), "GET", "/images/made:1/get", ""},
		{words("tag made:1 " + registry + "/a/b:1"), "POST", "/images/made:1/tag?repo=" + registry + "/a/b&tag=1", ""},
		{words("push " + registry + "/a/b:1"), "POST", "/images/" + registry + "/a/b/push?tag=1", ""},
		{words("rmi made:1"), "DELETE", "/images/made:1", ""},
		{words("rmi " + registry + "/a/b:1"), "DELETE", "/images/" + registry + "/a/b:1", ""},
		{words("load -i SAVED"), "POST", "/images/load", "@saved"},
		{words("create --name user made:1"), "POST", "/containers/create?name=user", `{"Image":"made:1","AttachStdout":true,"AttachStderr":true}`},
		{words("rmi -f made:1"), "DELETE", "/images/made:1?force=1", ""},
		{words("rm -f user"), "DELETE", "/containers/user?force=1", ""},
		{words("pull " + registry + "/a/b:1"), "POST", "/images/create?fromImage=" + registry + "/a/b&tag=1", ""},
		{append(words("import -m why -c"), "ENV X=y", "ARCHIVE", "made:1"), "POST", "/images/create?fromSrc=-&repo=made&tag=1&message=why&changes=ENV+X%3Dy", "@busybox.tar"},
		{words("rm whole"), "DELETE", "/containers/whole", ""},
		{words("rmi other:2"), "DELETE", "/images/other:2", ""},
		{words("rmi made:1"), "DELETE", "/images/made:1", ""},
		{words("builder prune -af"), "POST", "/build/prune?all=1", ""},
		{words("network rm six"), "DELETE", "/networks/six", ""},
		{words("volume rm tmp"), "DELETE", "/volumes/tmp", ""},
		{words("container prune -f"), "POST", "/containers/prune", ""},
		{words("network prune -f"), "POST", "/networks/prune", ""},
		{words("volume prune -af"), "POST", "/volumes/prune?filters=%7B%22all%22:%5B%22true%22%5D%7D", ""},
		{words("image prune -f"), "POST", "/images/prune", ""},
	}
}

func words(s string) []string { return strings.Fields(s) }

// TestSameEitherWay does each operation once by the command line and once by the
// API: the records, what inspect says and the events are the same.
func TestSameEitherWay(t *testing.T) {
	byLine, byAPI := newUser(t), newUser(t)
	for _, u := range []*user{byLine, byAPI} {
		u.busybox()
		var files []testutil.File
		for _, f := range builds() {
			f.Name = "context/" + f.Name
			files = append(files, f)
		}
		u.write(files...)
		for _, f := range files { // an archive has no parts of seconds
			if err := os.Chtimes(filepath.Join(u.home, f.Name), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	do := byAPI.serve()
	exec := ""
	for _, o := range operations(newHesitant(t).host) {
		what := strings.Join(o.args, " ")
		for word, file := range map[string]string{"CONTEXT": "context", "IN": "context/f", "OUT": "out", "SAVED": "saved", "ARCHIVE": "busybox.tar"} {
			if i := slices.Index(o.args, word); i >= 0 {
				o.args[i] = filepath.Join(byLine.home, file)
			}
		}
		refused := false
		if len(o.args) > 0 && strings.HasSuffix(o.args[0], "pause") { // which takes a cgroup
			r := byLine.result(o.args...)
			if refused = r.Code != 0; refused && !strings.Contains(r.Err, "cgroup") && o.args[0] == "pause" {
				t.Fatalf("%s: %+v", what, r)
			}
		} else if len(o.args) > 0 {
			byLine.ok(o.args...)
		}
		if name, ok := strings.CutPrefix(o.body, "@"); ok {
			data, err := os.ReadFile(filepath.Join(byLine.home, name))
			if err != nil {
				t.Fatal(err)
			}
			o.body = string(data)
		}
		status, text := do(o.method, strings.Replace(o.path, "EXEC", exec, 1), o.body)
		if status >= 300 != refused || strings.Contains(text, `"errorDetail"`) {
			t.Fatalf("%s %s: %d %s", o.method, o.path, status, text)
		}
		if len(o.args) == 0 {
			_, after, _ := strings.Cut(text, `{"Id":"`)
			exec, _, _ = strings.Cut(after, `"`)
			continue
		}
		if o.args[0] == "exec" { // one that nobody is attached to has an end later
			for _, u := range []*user{byLine, byAPI} {
				testutil.Eventually(t, "the end is told of", func() bool {
					all := u.events()
					return strings.Count(all, `"exec_start: `) == strings.Count(all, `"exec_die"`)
				})
			}
		}
		a, b := byLine.everything(), byAPI.everything()
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || a[i] != b[i] {
				t.Fatalf("after %s:\n%s\nby the API:\n%s", what, strings.Join(a[max(0, i-3):min(len(a), i+8)], "\n"), strings.Join(b[max(0, i-3):min(len(b), i+8)], "\n"))
			}
		}
	}
}

// serve answers on a socket until the test ends, and returns who asks.
func (u *user) serve() func(method, path, body string) (int, string) {
	socket := filepath.Join(u.home, "s")
	cmd := exec.Command(u.bin, "api", "--listen", "unix://"+socket)
	cmd.Env, cmd.Dir, cmd.Stderr = u.env, u.home, os.Stderr
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.server = cmd.Process.Pid
	u.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	testutil.Eventually(u.t, "the socket is there", func() bool {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	c := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }}}
	return func(method, path, body string) (int, string) {
		u.t.Helper()
		r, err := http.NewRequest(method, "http://d"+path, strings.NewReader(body))
		if err != nil {
			u.t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		resp, err := c.Do(r)
		if err != nil {
			u.t.Fatal(err)
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(data)
	}
}

// What is never the same twice.
var varies = []struct {
	is *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`[0-9a-f]{64}`), "ID"}, {regexp.MustCompile(`\b[0-9a-f]{12}\b`), "id"}, {regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`"(Pid|pid|time|timeNano|ProcessID|HostPort|hostPort|execDuration|SizeRw|SizeRootFs)": ?"?\d+"?`), `"$1": N`}, {regexp.MustCompile(`/proc/\d+/`), "/proc/N/"},
	{regexp.MustCompile(`coracle-api-\d+`), "HOME"},
}

// everything is what there is, line by line: of networks, volumes, images and
// containers what inspect says, the records of containers, and the events so far.
func (u *user) everything() []string {
	u.t.Helper()
	var all []string
	add := func(text string) {
		for _, v := range varies {
			text = v.is.ReplaceAllString(text, v.to)
		}
		all = append(all, strings.Split(strings.TrimSpace(text), "\n")...)
	}
	for _, kind := range []struct{ name, list string }{{"network", "network ls -q --filter type=custom"}, {"volume", "volume ls -q"}, {"image", "images -q"}, {"container", "ps -aq"}} {
		if ids := strings.Fields(u.ok(words(kind.list)...)); len(ids) > 0 {
			add(kind.name + "\n" + u.ok(append([]string{kind.name, "inspect"}, ids...)...))
		}
	}
	byName := map[string]string{}
	records, _ := filepath.Glob(filepath.Join(u.home, "root/containers/*/record.json"))
	for _, file := range records {
		data, err := os.ReadFile(file)
		if err != nil {
			u.t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(data, &v); err != nil {
			u.t.Fatal(err)
		}
		text, _ := json.MarshalIndent(v, "", " ")
		byName[v["name"].(string)] = string(text)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		add(byName[name])
	}
	add(u.events())
	return all
}

// events are those so far, a line of JSON each.
func (u *user) events() string {
	u.t.Helper()
	return u.ok("events", "--since", "1", "--until", time.Now().Format(time.RFC3339Nano), "--format", "json")
}
