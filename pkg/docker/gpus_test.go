// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cdi"
	"coracle/pkg/container"
)

// described are files that describe some devices of each kind.
func described(t *testing.T, devices ...string) func() *cdi.Registry {
	t.Helper()
	dir := t.TempDir()
	for i, d := range devices {
		kind, name, _ := strings.Cut(d, "=")
		text := `{"cdiVersion":"0.6.0","kind":"` + kind + `","devices":[{"name":"` + name + `","containerEdits":{"env":["D=` + name + `"],
			"deviceNodes":[{"path":"/dev/video` + name + `"}]}}]}`
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func() *cdi.Registry { return cdi.Load([]string{dir}) }
}

func TestParseGPUs(t *testing.T) {
	gpu, none := [][]string{{"gpu"}}, map[string]string{}
	for v, want := range map[string]moby.DeviceRequest{
		"all":                         {Count: -1, Capabilities: gpu, Options: none},
		"2":                           {Count: 2, Capabilities: gpu, Options: none},
		"count=3":                     {Count: 3, Capabilities: gpu, Options: none},
		"device=0":                    {DeviceIDs: []string{"0"}, Capabilities: gpu, Options: none},
		`"device=0,GPU-uuid"`:         {DeviceIDs: []string{"0", "GPU-uuid"}, Capabilities: gpu, Options: none},
		"driver=nvidia":               {Driver: "nvidia", Count: 1, Capabilities: gpu, Options: none},
		`all,"capabilities=a,b"`:      {Count: -1, Capabilities: [][]string{{"a", "b", "gpu"}}, Options: none},
		`driver=x,"options=k=v,flag"`: {Driver: "x", Count: 1, Capabilities: gpu, Options: map[string]string{"k": "v", "flag": ""}},
	} {
		if got, err := ParseGPUs(v); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", v, got, err)
		}
	}
	for v, want := range map[string]string{
		"all,count=2":       "gpu request key 'count' can be specified only once",
		"driver=a,driver=b": "gpu request key 'driver' can be specified only once",
	} {
		if _, err := ParseGPUs(v); err == nil || err.Error() != want {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func TestNamesOfDeviceRequests(t *testing.T) {
	gpus := func(v string) moby.DeviceRequest {
		r, err := ParseGPUs(v)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	nvidia := []string{"nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all"}
	for _, c := range []struct {
		have []string
		ask  moby.DeviceRequest
		want string // the names, or the refusal
	}{
		{nvidia, gpus("all"), "nvidia.com/gpu=all"},
		{nvidia[:2], gpus("all"), "nvidia.com/gpu=0 nvidia.com/gpu=1"},
		{nvidia, gpus("2"), "nvidia.com/gpu=0 nvidia.com/gpu=1"},
		{nvidia, gpus("0"), ""},
		{nvidia, gpus("1000000000"), "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=2, nvidia.com/gpu=3"},
		{nvidia, gpus(`"device=1,nvidia.com/gpu=0"`), "nvidia.com/gpu=1 nvidia.com/gpu=0"},
		{nvidia, gpus(`all,"capabilities=utility,compute"`), "nvidia.com/gpu=all"},
		{nvidia, gpus("driver=nvidia"), "nvidia.com/gpu=0"},
		{nvidia, gpus("driver=amd"), `could not select device driver "amd" with capabilities: [[gpu]]`},
		{nvidia, moby.DeviceRequest{Count: -1, Capabilities: [][]string{{"tpu"}}}, `could not select device driver "" with capabilities: [[tpu]]`},
		{nvidia, moby.DeviceRequest{Count: 1, DeviceIDs: []string{"0"}, Capabilities: [][]string{{"gpu"}}}, "cannot set both Count and DeviceIDs on device request"},
		{nvidia, moby.DeviceRequest{Driver: "cdi", DeviceIDs: []string{"nvidia.com/gpu=1"}}, "nvidia.com/gpu=1"},
		{nvidia, moby.DeviceRequest{Driver: "cdi", DeviceIDs: []string{"vendor.com/x=1"}}, "CDI device injection failed: unresolvable CDI devices vendor.com/x=1"},
		{[]string{"amd.com/gpu=0"}, gpus("all"), "amd.com/gpu=0"},
		{[]string{"amd.com/gpu=0", "nvidia.com/gpu=0"}, gpus("all"), "nvidia.com/gpu=0"},
		{[]string{"vendor.com/gpu=0"}, gpus("all"), `could not select device driver "" with capabilities: [[gpu]]`},
	} {
		q, w := basic(), testWorld()
		q.HostConfig.DeviceRequests, w.CDI = []moby.DeviceRequest{c.ask}, described(t, c.have...)
		rec, warnings, err := q.Record(testID, bare(), w)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = strings.Join(rec.Safety.Injected(), " ")
		}
		if got != c.want {
			t.Errorf("%+v of %v: %q, want %q", c.ask, c.have, got, c.want)
		}
		// Device 0 is /dev/video0, which is out of reach in the tests' world.
		if err == nil && slices.ContainsFunc(rec.Safety.Injected(), func(n string) bool { return strings.HasSuffix(n, "=0") }) != (len(warnings) == 1) {
			t.Errorf("%+v: warnings %v", c.ask, warnings)
		}
	}
}

// TestDeviceRequestsAreAnsweredAsAsked sends what inspect shows again.
func TestDeviceRequestsAreAnsweredAsAsked(t *testing.T) {
	q, w := basic(), testWorld()
	q.HostConfig.Devices = []moby.DeviceMapping{{PathOnHost: "vendor.com/x=1", PathInContainer: "vendor.com/x=1", CgroupPermissions: "rwm"}}
	q.HostConfig.DeviceRequests = []moby.DeviceRequest{{Count: -1, Capabilities: [][]string{{"gpu"}}, Options: map[string]string{"a": "b"}}}
	w.CDI = described(t, "vendor.com/x=1", "nvidia.com/gpu=all")
	rec, _, err := q.Record(testID, bare(), w)
	if err != nil {
		t.Fatal(err)
	}
	if got := rec.Safety.Injected(); !slices.Equal(got, []string{"nvidia.com/gpu=all", "vendor.com/x=1"}) || len(rec.Safety.SpecDirs) != 1 || len(rec.Safety.Devices) != 0 {
		t.Errorf("%v %v %v", got, rec.Safety.SpecDirs, rec.Safety.Devices)
	}
	c := running()
	c.Safety = rec.Safety
	h := hostConfig(c, testPlaces())
	if want := append(q.HostConfig.DeviceRequests, moby.DeviceRequest{Driver: "cdi", DeviceIDs: []string{"vendor.com/x=1"}}); !reflect.DeepEqual(h.DeviceRequests, want) {
		t.Errorf("%+v", h.DeviceRequests)
	}
}

func TestDevicesThatMayNotBeOpened(t *testing.T) {
	q, w := basic(), testWorld()
	q.HostConfig.DeviceRequests, w.CDI = []moby.DeviceRequest{{Driver: "cdi", DeviceIDs: []string{"v.com/d=7"}}}, described(t, "v.com/d=7")
	w.Devices = func(d container.Device) ([]container.Device, error) {
		return nil, &fs.PathError{Op: "access", Path: d.Source, Err: fs.ErrPermission}
	}
	if _, warnings, err := q.Record(testID, bare(), w); err != nil || len(warnings) != 1 || warnings[0].Text != "--device /dev/video7: you may not open it: permission denied" {
		t.Errorf("%v %v", warnings, err)
	}
}

func TestInfoListsDevices(t *testing.T) {
	i := HostInfo(Program{}, Host{CDIDirs: []string{"/etc/cdi"}, CDIDevices: []string{"vendor.com/x=1"}})
	if !slices.Equal(i.CDISpecDirs, []string{"/etc/cdi"}) || len(i.DiscoveredDevices) != 1 || i.DiscoveredDevices[0].Source != "cdi" || i.DiscoveredDevices[0].ID != "vendor.com/x=1" {
		t.Errorf("%+v %+v", i.CDISpecDirs, i.DiscoveredDevices)
	}
}
