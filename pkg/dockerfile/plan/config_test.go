// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
	"testing"
)

func TestExposed(t *testing.T) {
	tests := []struct {
		spec string
		want []string
		err  string
	}{
		{"80", []string{"80/tcp"}, ""},
		{"53/UDP", []string{"53/udp"}, ""},
		{"8000-8002", []string{"8000/tcp", "8001/tcp", "8002/tcp"}, ""},
		{"8080:80", []string{"80/tcp"}, ""},
		{"127.0.0.1:8080:80", []string{"80/tcp"}, ""},
		{"[::1]:8080:80/sctp", []string{"80/sctp"}, ""},
		{"80/", []string{"80/tcp"}, ""},
		{"80-80", []string{"80/tcp"}, ""},
		{"8000-8001:80-81", []string{"80/tcp", "81/tcp"}, ""},
		{"80/http", nil, `invalid port: "80/http": invalid proto: http`},
		{"/tcp", nil, `invalid port: "/tcp": no port specified`},
		{"99999", nil, "invalid containerPort: 99999"},
		{"x:80", nil, "invalid hostPort: x"},
		{"1.2.3:80:80", nil, "invalid IP address: 1.2.3"},
		{"1-2:80-82", nil, "invalid ranges specified for container and host Ports: 80-82 and 1-2"},
		{"9-8", nil, "invalid containerPort: 9-8"},
		{"x", nil, "invalid containerPort: x"},
	}
	for _, tt := range tests {
		got, err := exposed(tt.spec)
		if text := message(err); text != tt.err || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, %q", tt.spec, got, text)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestHistory(t *testing.T) {
	s := planned(t, `ARG V=3
FROM a
ARG V
ARG N
ENV A=1 B="x y"
LABEL l=1
EXPOSE 80 53/udp
USER u
VOLUME /a /b
STOPSIGNAL 9
SHELL ["/bin/ash", "-c"]
CMD x
ENTRYPOINT ["e"]
ONBUILD RUN y
`, Input{})
	want := []string{
		"ARG V=3", "ARG N", `ENV A=1 B=x y`, "LABEL l=1", "EXPOSE [53/udp 80/tcp]", "USER u", "VOLUME [/a /b]",
		"STOPSIGNAL 9", "SHELL [/bin/ash -c]", `CMD ["/bin/ash" "-c" "x"]`, `ENTRYPOINT ["e"]`,
	}
	var got []string
	for _, h := range s.history {
		got = append(got, h.CreatedBy)
		if !h.EmptyLayer || h.Comment != "buildkit.dockerfile.v0" {
			t.Errorf("%q: %+v", h.CreatedBy, h)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("history is\n%q, want\n%q", got, want)
	}
	if c := s.image.Config; !slices.Equal(c.Cmd, []string{"/bin/ash", "-c", "x"}) || len(c.Volumes) != 2 || c.StopSignal != "9" {
		t.Errorf("configuration is %+v", c)
	}
}

func TestEntrypointTakesCommandOfBaseAway(t *testing.T) {
	for text, want := range map[string]int{"ENTRYPOINT [\"e\"]\n": 0, "CMD [\"x\"]\nENTRYPOINT [\"e\"]\n": 1, "USER x\n": 2} {
		var base Found
		base.Config.Cmd = []string{"of", "base"}
		s := planned(t, "FROM a\n"+text, Input{Images: map[string]Found{Ref{Name: "a"}.Key(): base}})
		if got := s.image.Config.Cmd; len(got) != want {
			t.Errorf("%q: command is %q", text, got)
		}
	}
}

func TestConfigure(t *testing.T) {
	var img Image
	img.Config.Env = []string{"A=1"}
	err := Configure(&img, []string{`CMD ["x", "y"]`, "ENV A=2 B=$A", "EXPOSE 80 8000-8001/udp", "USER u", "WORKDIR /w", "LABEL k=v"})
	if err != nil {
		t.Fatal(err)
	}
	c := img.Config
	ports := slices.Sorted(maps.Keys(c.ExposedPorts))
	if !slices.Equal(c.Env, []string{"A=2", "B=1"}) || c.User != "u" || c.WorkingDir != "/w" || c.Labels["k"] != "v" ||
		!slices.Equal(ports, []string{"80/tcp", "8000/udp", "8001/udp"}) {
		t.Errorf("configuration is %+v", c)
	}
	for change, want := range map[string]string{
		"BAD": "BAD is not a valid change command", "FROM x": "FROM is not a valid change command", "SHELL [\"a\"]": "SHELL is not a valid change command",
		"RUN x": "RUN is not a valid change command", "ENV": "ENV requires at least one argument", "ENV A": "ENV must have two arguments",
		"": "file with no instructions",
	} {
		if err := Configure(&img, []string{change}); message(err) != want {
			t.Errorf("%q: got %v, want %s", change, err, want)
		}
	}
}
