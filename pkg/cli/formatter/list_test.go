// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

var now = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func testContainer() docker.Summary {
	return docker.Summary{NetworkNames: []string{"front", "back"}, Platform: "linux", Summary: moby.Summary{
		ID: strings.Repeat("ab", 32), Names: []string{"/web"}, Image: "docker.io/library/httpd:2@sha256:" + strings.Repeat("0", 64), ImageID: "sha256:" + strings.Repeat("cd", 32),
		Command: "httpd-foreground -DFOREGROUND", Created: now.Add(-5 * time.Minute).Unix(), State: "running", Status: "Up 5 minutes",
		Labels: map[string]string{"com.docker.compose.my-service": "web", "a": "<b>"}, Health: &moby.HealthSummary{Status: "healthy"},
		Mounts: []moby.MountPoint{{Name: "a-volume-with-a-long-name", Driver: "local"}, {Source: "/src"}, {}},
		Ports:  []moby.PortSummary{{PrivatePort: 80, PublicPort: 8080, IP: netip.MustParseAddr("0.0.0.0"), Type: "tcp"}},
	}}
}

func show[R any](t *testing.T, l List, asked string, quiet bool, rows ...R) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, l, l.Format(asked, quiet), rows); err != nil {
		t.Fatalf("%q: %v", asked, err)
	}
	return b.String()
}

func TestContainerFormats(t *testing.T) {
	row, whole := Container(testContainer(), true, now), Container(testContainer(), false, now)
	for asked, want := range map[string]string{
		"":      "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS                  NAMES\nabababababab   httpd:2   \"httpd-foreground -D…\"   5 minutes ago   Up 5 minutes   0.0.0.0:8080->80/tcp   web\n",
		"table": "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS                  NAMES\nabababababab   httpd:2   \"httpd-foreground -D…\"   5 minutes ago   Up 5 minutes   0.0.0.0:8080->80/tcp   web\n",
		`table {{.Names}}\t{{.Label "com.docker.compose.my-service"}}\t{{upper .State}}`: "NAMES     my service   STATE\nweb       web          RUNNING\n",
		"table{{.Names}}":                                              "NAMES\nweb\n",
		`{{.Names}}\t{{.State}}\n{{.Networks}}`:                        "web\trunning\nfront,back\n",
		"{{.Names}}\t{{.LocalVolumes}} {{.Mounts}}":                    "web\t1 a-volume-with-…,/src\n",
		"{{.ID}} {{.Image}} {{.HealthStatus}} {{.Size}} {{.Platform}}": "abababababab httpd:2 healthy 0B linux\n",
		"{{.RunningFor}}{{if eq .State \"running\"}} up{{end}}":        "5 minutes ago up\n",
		"{{.Labels}} {{.Label \"none\"}}":                              "a=<b>,com.docker.compose.my-service=web \n",
		"{{join (split .Names \"e\") \"-\"}} {{title .Names}} {{pad .Names 1 2}}|{{truncate .Names 2}}{{len .Names}}": "w-b Web  web  |we3\n",
		"{{println .Names}}": "web\n\n",
		"{{json .Names}}":    "\"web\"\n",
	} {
		if got := show(t, Containers(false), asked, false, row); got != want {
			t.Errorf("%q:\n%q, want\n%q", asked, got, want)
		}
	}
	if got := show(t, Containers(false), "{{.Image}} {{.Command}} {{.Mounts}}", false, whole); !strings.Contains(got, "@sha256:") || !strings.Contains(got, "-DFOREGROUND") || !strings.Contains(got, "-name") {
		t.Errorf("cut although it should not be: %s", got)
	}
	if got := show(t, Containers(true), "", false, row); !strings.Contains(got, "SIZE\n") {
		t.Error(got)
	}
}

func TestSizesOfContainers(t *testing.T) {
	s := testContainer()
	s.SizeRw, s.SizeRootFs = 2, 21_500_000
	if got := Container(s, true, now).Size; got != "2B (virtual 21.5MB)" {
		t.Error(got)
	}
}

func TestNamesOfImagesOfContainers(t *testing.T) {
	id := strings.Repeat("cd", 32)
	for typed, want := range map[string]string{
		"": "<no image>", "busybox": "busybox", "docker.io/library/busybox:1": "busybox:1", "docker.io/me/x": "me/x", "localhost:5000/x:1": "localhost:5000/x:1",
		"sha256:" + id: id[:12], id[:12]: id[:12], "x@sha256:" + strings.Repeat("1", 64): "x",
	} {
		if got := imageName(docker.Summary{Summary: moby.Summary{Image: typed, ImageID: "sha256:" + id}}, true); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// What is asked for with -q, --format raw and both.
func TestQuietAndRaw(t *testing.T) {
	for _, c := range []struct {
		l           List
		asked       string
		quiet       bool
		want, begin string
	}{
		{Containers(false), "", true, "{{.ID}}", ""}, {Containers(false), "{{.Names}}", true, "{{.ID}}", ""}, {Containers(true), "raw", true, "container_id: {{.ID}}", ""},
		{Containers(false), "raw", false, "", "container_id: {{.ID}}\nimage: {{.Image}}\n"},
		{Images(false), "{{.Tag}}", true, "{{.Tag}}", ""}, {Images(false), "table", true, "{{.ID}}", ""}, {Images(true), "raw", false, "", "repository: {{.Repository}}\ntag: {{.Tag}}\ndigest:"},
		{Images(true), "table {{.ID}}", false, "table {{.ID}}\t{{.Digest}}", ""}, {Images(true), "table {{.Digest}}", false, "table {{.Digest}}", ""},
		{Images(false), "table {{.ID}}", false, "table {{.ID}}", ""}, {Volumes(), "", true, "{{.Name}}", ""}, {Networks(), "raw", true, "network_id: {{.ID}}", ""}, {History(true), "", true, "{{.ID}}", ""},
		{Stats(), "raw", false, "raw", ""}, {Networks(), "json", false, "json", ""},
	} {
		got := c.l.Format(c.asked, c.quiet)
		if c.begin == "" && got != c.want || !strings.HasPrefix(got, c.begin) {
			t.Errorf("%q, quiet %t: %q", c.asked, c.quiet, got)
		}
	}
}

// json and {{json .}} are a line of JSON for each row: texts, in the order of
// the alphabet, with Docker's escapes.
func TestLinesOfJSON(t *testing.T) {
	container, img := testContainer(), image.Summary{ID: "sha256:" + strings.Repeat("cd", 32), Size: 7_830_000, SharedSize: -1, Containers: -1, Created: now.Add(-time.Hour).Unix()}
	rows := map[string]any{
		"Command CreatedAt HealthStatus ID Image Labels LocalVolumes Mounts Names Networks Platform Ports RunningFor Size State Status": Container(container, true, now),
		"Containers CreatedAt CreatedSince Digest ID Repository SharedSize Size Tag UniqueSize":                                         ImageRows(img, false, true, now)[0],
		"Comment CreatedAt CreatedBy CreatedSince ID Size":                                                                              HistoryRow(image.HistoryResponseItem{ID: "<missing>"}, true, true, now),
		"CreatedAt Driver ID IPv4 IPv6 Internal Labels Name Scope":                                                                      NetworkRow(&docker.Network{ID: strings.Repeat("a", 64)}, true),
		"Availability Driver Group Labels Links Mountpoint Name Scope Size Status":                                                      VolumeRow(&volume.Volume{}),
		"BlockIO CPUPerc Container ID MemPerc MemUsage Name NetIO PIDs":                                                                 StatsRow("", docker.StatsResponse{ID: strings.Repeat("a", 64)}, true),
	}
	for fields, row := range rows {
		for _, asked := range []string{"json", "{{json .}}", "{{ json . }}"} {
			got := show(t, List{}, asked, false, row)
			var keys []string
			dec := json.NewDecoder(strings.NewReader(got))
			_, _ = dec.Token()
			for dec.More() {
				key, _ := dec.Token()
				value, err := dec.Token()
				if _, ok := value.(string); !ok || err != nil {
					t.Errorf("%s: %v is no text", got, key)
				}
				keys = append(keys, key.(string))
			}
			if strings.Join(keys, " ") != fields || strings.Count(got, "\n") != 1 {
				t.Errorf("%s: %v\nwant %s", got, keys, fields)
			}
		}
	}
	if got := show(t, List{}, "json", false, Container(container, true, now)); !strings.Contains(got, `a=\u003cb\u003e`) {
		t.Error(got)
	}
	// A field alone is not escaped.
	if got := show(t, List{}, "{{json .Labels}}", false, Container(container, true, now)); !strings.Contains(got, `a=<b>`) {
		t.Error(got)
	}
}

// Every field of a row has a heading, and the other way round.
func TestEveryFieldHasItsHeading(t *testing.T) {
	for _, c := range []struct {
		heads  Heads
		row    reflect.Type
		others []string // headings of fields that no row has, as in Docker
	}{
		{Containers(false).heads, reflect.TypeFor[ContainerContext](), nil}, {Images(false).heads, reflect.TypeFor[imageContext](), nil},
		{History(true).heads, reflect.TypeFor[historyContext](), nil}, {Networks().heads, reflect.TypeFor[networkContext](), nil},
		{Volumes().heads, reflect.TypeFor[volumeContext](), []string{"ID"}}, {Stats().heads, reflect.TypeFor[statsContext](), nil},
		{DiskUsage().heads, reflect.TypeFor[DiskUsageContext](), nil}, {BuildCache().heads, reflect.TypeFor[BuildCacheContext](), nil},
	} {
		fields := c.others
		for i := range c.row.NumField() {
			if f := c.row.Field(i); f.IsExported() {
				fields = append(fields, f.Name)
			}
		}
		slices.Sort(fields)
		var heads []string
		for name, head := range c.heads {
			heads = append(heads, name)
			if head == "" || head != strings.ToUpper(head) {
				t.Errorf("%v: heading %q", c.row, head)
			}
		}
		slices.Sort(heads)
		if !slices.Equal(fields, heads) {
			t.Errorf("%v: fields %v, headings %v", c.row, fields, heads)
		}
	}
}

func TestErrorsInLists(t *testing.T) {
	row := Container(testContainer(), true, now)
	for asked, want := range map[string]string{
		"{{.Foo}}":          `template parsing error: template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext`,
		"table {{.Foo}}":    `template parsing error: template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext`,
		"{{.ID":             "template parsing error: template: :1: unclosed action",
		"{{nosuch .ID}}":    `template parsing error: template: :1: function "nosuch" not defined`,
		"{{gt .Names 1}}":   `template parsing error: template: :1:2: executing "" at <gt .Names 1>: error calling gt: incompatible types for comparison`, // and, in newer versions of Go, which,
		"{{join .Names .}}": "",
	} {
		var b strings.Builder
		err := Write(&b, Containers(false), asked, []*ContainerContext{row})
		if err == nil || !strings.HasPrefix(err.Error(), want) || b.Len() > 0 {
			t.Errorf("%q: %v, and %q", asked, err, b.String())
		}
	}
	for asked, want := range map[string]string{"{{.Foo}}": "failed to execute template: ", "{{": "failed to parse template: "} {
		if err := Check(asked, &ContainerContext{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", asked, err)
		}
	}
	for _, asked := range []string{"json", "table", "raw", `table {{.ID}}\t{{.Names}}`, "{{json .}}", "{{.Label \"x\"}}"} {
		if err := Check(asked, &ContainerContext{}); err != nil {
			t.Errorf("%q: %v", asked, err)
		}
	}
}

// Without rows a table has its headings, and anything else is empty.
func TestNoRows(t *testing.T) {
	for asked, want := range map[string]string{"": "DRIVER    VOLUME NAME\n", "json": "", "{{.Name}}": "", "raw": ""} {
		if got := show[*volumeContext](t, Volumes(), asked, false); got != want {
			t.Errorf("%q: %q", asked, got)
		}
	}
}

func TestPorts(t *testing.T) {
	v4, v6, local := netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::"), netip.MustParseAddr("127.0.0.1")
	port := func(ip netip.Addr, private, public uint16, proto string) moby.PortSummary {
		return moby.PortSummary{IP: ip, PrivatePort: private, PublicPort: public, Type: proto}
	}
	for want, ports := range map[string][]moby.PortSummary{
		"":                  nil,
		"80/tcp":            {port(netip.Addr{}, 80, 0, "tcp")},
		"80-82/tcp, 82/udp": {port(netip.Addr{}, 80, 0, "tcp"), port(netip.Addr{}, 81, 0, "tcp"), port(netip.Addr{}, 82, 0, "tcp"), port(netip.Addr{}, 82, 0, "udp")},
		"80/tcp, 90/tcp":    {port(netip.Addr{}, 80, 0, "tcp"), port(netip.Addr{}, 90, 0, "tcp")},
		"0.0.0.0:8080->80/tcp, [::]:8080->80/tcp":    {port(v4, 80, 8080, "tcp"), port(v6, 80, 8080, "tcp")},
		"0.0.0.0:8000-8001->8000-8001/tcp":           {port(v4, 8000, 8000, "tcp"), port(v4, 8001, 8001, "tcp")},
		"0.0.0.0:9000->80/tcp, 0.0.0.0:9001->81/tcp": {port(v4, 80, 9000, "tcp"), port(v4, 81, 9001, "tcp")},
		"127.0.0.1:53->53/udp, 0.0.0.0:8080->80/tcp": {port(local, 53, 53, "udp"), port(v4, 80, 8080, "tcp")},
		"0.0.0.0:5->5/tcp, 0.0.0.0:5->5/udp":         {port(v4, 5, 5, "tcp"), port(v4, 5, 5, "udp")},
	} {
		if got := portsText(ports); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestImageRows(t *testing.T) {
	digest := "sha256:" + strings.Repeat("1", 64)
	s := image.Summary{
		ID: "sha256:" + strings.Repeat("cd", 32), Created: now.Add(-3 * 7 * 24 * time.Hour).Unix(), Size: 143_000_000, SharedSize: -1, Containers: -1,
		RepoTags: []string{"web:1", "web:2", "localhost:5000/web:1"}, RepoDigests: []string{"web@" + digest, "only@" + digest},
	}
	rows := func(digests bool) (all []string) {
		for _, r := range ImageRows(s, digests, true, now) {
			all = append(all, r.Repository+" "+r.Tag+" "+strings.TrimSuffix(r.Digest, strings.Repeat("1", 60)))
		}
		return all
	}
	if got, want := rows(false), []string{"web 1 <none>", "web 2 <none>", "localhost:5000/web 1 <none>", "only <none> "}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got, want := rows(true), []string{"web 1 sha256:1111", "web 2 sha256:1111", "localhost:5000/web 1 <none>", "only <none> sha256:1111"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	want := "REPOSITORY           TAG       IMAGE ID       CREATED       SIZE\nweb                  1         cdcdcdcdcdcd   3 weeks ago   143MB\n"
	if got := show(t, Images(false), "", false, ImageRows(s, false, true, now)...); !strings.HasPrefix(got, want) {
		t.Error(got)
	}
	r := ImageRows(image.Summary{ID: s.ID, Created: time.Time{}.Unix(), Size: 10, SharedSize: 4, Containers: 2}, true, false, now)
	if len(r) != 1 || r[0].Repository != "<none>" || r[0].CreatedSince != "" || r[0].ID != s.ID || r[0].Containers != "2" || r[0].SharedSize != "4B" || r[0].UniqueSize != "6B" {
		t.Errorf("%+v", r[0])
	}
	if got := show(t, Images(false), "", false, r...); !strings.Contains(got, "N/A") {
		t.Error(got)
	}
}

func TestHistoryRows(t *testing.T) {
	h := image.HistoryResponseItem{ID: "sha256:" + strings.Repeat("cd", 32), Created: now.Add(-2 * time.Hour).Unix(), CreatedBy: "RUN a\t\x1b[1m" + strings.Repeat("b", 60), Size: 1500}
	r := HistoryRow(h, true, true, now)
	if r.ID != "cdcdcdcdcdcd" || r.CreatedSince != "2 hours ago" || r.Size != "1.5kB" || len([]rune(r.CreatedBy)) != 45 || strings.ContainsAny(r.CreatedBy, "\t\x1b") {
		t.Errorf("%+v", r)
	}
	if r := HistoryRow(h, false, false, now); r.Size != "1500" || r.CreatedSince != r.CreatedAt || r.ID != h.ID {
		t.Errorf("%+v", r)
	}
	if r := HistoryRow(image.HistoryResponseItem{ID: "<missing>"}, true, true, now); r.CreatedSince != "N/A" || r.ID != "<missing>" {
		t.Errorf("%+v", r)
	}
}

func TestOtherRows(t *testing.T) {
	v := VolumeRow(&volume.Volume{Labels: map[string]string{"k": "v"}, UsageData: &volume.UsageData{Size: 1000, RefCount: 2}})
	if v.Label("k") != "v" || v.Links != "2" || v.Size != "1kB" {
		t.Errorf("%+v", v)
	}
	n := NetworkRow(&docker.Network{ID: strings.Repeat("a", 64), Labels: map[string]string{"k": "v"}, EnableIPv4: true, Created: now}, true)
	if n.Label("k") != "v" || n.IPv4 != "true" || n.IPv6 != "false" || n.ID != "aaaaaaaaaaaa" || n.CreatedAt != "2024-05-01 12:00:00 +0000 UTC" {
		t.Errorf("%+v", n)
	}
	s := StatsRow("", docker.Stats(&container.Container{Record: container.Record{ID: strings.Repeat("a", 64)}, State: container.State{StartedAt: time.Unix(0, 0)}},
		&container.Usage{At: time.Unix(2, 0), Received: 1000, Sent: 2, Stats: cgroup.Stats{CPU: 1500 * time.Millisecond, Memory: 1 << 20, MemoryLimit: 4 << 20, Pids: 3}},
		&container.Usage{At: time.Unix(1, 0)}, 2), true)
	if s.CPUPerc != "150.00%" || s.MemPerc != "25.00%" || s.MemUsage != "1MiB / 4MiB" || s.NetIO != "1kB / 2B" || s.PIDs != "3" {
		t.Errorf("%+v", s)
	}
}

func TestAbilities(t *testing.T) {
	var b strings.Builder
	rows := []struct{ Name, State string }{{"overlay", "yes"}, {"message queues", "no"}}
	if err := Write(&b, Abilities(), `table {{.Name}}\t{{.State}}`, rows); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "ABILITY          HERE\noverlay          yes\nmessage queues   no\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
