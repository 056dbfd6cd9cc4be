// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever is sent, what comes of it has clean places below /, names of hosts and
// options that stay on their lines, and no port 0.
func FuzzCreateRequest(f *testing.F) {
	for _, file := range []string{"create-documented.json", "create-everything.json", "create-rest.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"Cmd":["x"],"HostConfig":{"Ulimits":[null],"BlkioDeviceReadBps":[null],"BlkioWeightDevice":[null]}}`))
	f.Add([]byte(`{"Cmd":["x"],"HostConfig":{"Binds":["/a:/../b"],"Ulimits":[null],"BlkioDeviceReadBps":[null],"Mounts":[{}],"Tmpfs":{"":""}},"NetworkingConfig":{"EndpointsConfig":{"a":null}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		q := &CreateRequest{}
		if json.Unmarshal(data, q) != nil {
			return
		}
		r, _, err := q.make(t)
		if err != nil {
			return
		}
		for _, m := range r.Mounts {
			if !filepath.IsAbs(m.Target) || filepath.Clean(m.Target) != m.Target || m.Target == "/" {
				t.Errorf("mounted at %q", m.Target)
			}
		}
		for _, p := range r.Net.Publish {
			if p.ContainerPort == 0 {
				t.Errorf("%+v", p)
			}
		}
		for _, line := range slices.Concat(r.Net.DNS, r.Net.DNSSearch, r.Net.DNSOptions, []string{r.Process.Hostname, r.Process.Domainname}) {
			if strings.ContainsAny(line, "\n\r\x00") {
				t.Errorf("%q is more than a line", line)
			}
		}
	})
}
