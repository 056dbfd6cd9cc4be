// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/opencontainers/go-digest"
)

// Hash is docker compose's of a service (pkg/compose/hash.go of its source): of all
// that makes a container, not of how many there are, when they start and how their
// image comes to be.
func Hash(s types.ServiceConfig) (string, error) {
	s.Build, s.PullPolicy, s.Scale, s.DependsOn, s.Profiles = nil, "", nil, nil, nil
	if s.Deploy != nil {
		d := *s.Deploy
		d.Replicas = nil
		s.Deploy = &d
	}
	data, err := json.Marshal(s)
	if err == nil {
		data, err = inHashOrder(data)
	}
	if err != nil {
		return "", fmt.Errorf("hash service %q: %w", s.Name, err)
	}
	return digest.SHA256.FromBytes(data).Encoded(), nil
}

// hashOrder is the order of a service's keys in what is hashed, for all versions of
// docker compose: once it was that of the fields of a struct, of which some have
// moved since.
const hashOrder = `profiles annotations attach build develop blkio_config cap_add cap_drop cgroup_parent cgroup cpu_count cpu_percent cpu_period cpu_quota
cpu_rt_period cpu_rt_runtime cpus cpuset cpu_shares command configs container_name credential_spec depends_on deploy device_cgroup_rules devices dns dns_opt
dns_search dockerfile domainname entrypoint provider environment env_file expose extends external_links extra_hosts group_add gpus hostname healthcheck image
init ipc isolation labels label_file links logging log_driver log_opt mem_limit mem_reservation memswap_limit mem_swappiness mac_address models net network_mode
networks oom_kill_disable oom_score_adj pid pids_limit platform ports privileged pull_policy read_only restart runtime scale secrets security_opt shm_size
stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volume_driver volumes volumes_from working_dir
pre_start post_start pre_stop pull_refresh_after`

// inHashOrder puts the keys of an object into that order, those that are not in it
// after all others.
func inHashOrder(object []byte) ([]byte, error) {
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal(object, &values); err != nil {
		return nil, err
	}
	known := strings.Fields(hashOrder)
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(values)), func(k string) bool { return slices.Contains(known, k) })
	var parts [][]byte
	for _, k := range append(known, others...) {
		if v, ok := values[k]; ok {
			parts = append(parts, fmt.Appendf(nil, "%q:%s", k, v))
		}
	}
	return fmt.Appendf(nil, "{%s}", bytes.Join(parts, []byte(","))), nil
}

// NetworkHash is docker compose's of a network.
func NetworkHash(n types.NetworkConfig) (string, error) { return hashOf(&n) }

// VolumeHash is docker compose's of a volume.
func VolumeHash(v types.VolumeConfig) (string, error) {
	if v.Driver == "" {
		v.Driver = "local"
	}
	return hashOf(v)
}

func hashOf(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("hash configuration: %w", err)
	}
	return digest.SHA256.FromBytes(data).Encoded(), nil
}
