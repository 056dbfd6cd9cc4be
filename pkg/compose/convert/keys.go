// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Fate is what becomes of a key of a service.
type Fate string

// The fates.
const (
	Done    Fate = "done"
	Named   Fate = "named"   // it has no effect, which is said once on standard error
	Refused Fate = "refused" // the service is not made
)

// Key is something that a service can say. The path of a key within another is
// joined with dots; those that are not in the table share the fate of what they
// are in.
type Key struct {
	Name string
	Fate Fate
	Note string // what a reader may not expect; why, of what is not done
}

// Keys are all keys of a service, in the order of the specification's names, with
// those within them that have another fate.
func Keys() []Key {
	return slices.SortedFunc(slices.Values(slices.Concat(processKeys(), hostKeys(), lifeKeys(), otherKeys())), func(a, b Key) int {
		return strings.Compare(a.Name, b.Name)
	})
}

func processKeys() []Key {
	return []Key{
		{"command", Done, ""}, {"entrypoint", Done, ""}, {"environment", Done, ""}, {"env_file", Done, "with required and format"},
		{"user", Done, ""}, {"working_dir", Done, ""}, {"hostname", Done, ""}, {"domainname", Done, ""}, {"group_add", Done, ""}, {"umask", Done, ""},
		{"tty", Done, ""}, {"stdin_open", Done, ""}, {"init", Done, ""}, {"image", Done, ""}, {"platform", Done, "another machine's needs its emulator"},
		{"labels", Done, ""}, {"label_file", Done, ""}, {"annotations", Done, ""}, {"container_name", Done, ""}, {"name", Done, "the library's own"},
		{"healthcheck", Done, "waited for by events"}, {"stop_signal", Done, ""}, {"stop_grace_period", Done, ""},
		{"logging", Done, "the drivers json-file, local, journald, none"},
	}
}

func hostKeys() []Key {
	const root = "it takes root"
	return []Key{
		{"cap_add", Done, ""}, {"cap_drop", Done, ""}, {"privileged", Done, "as far as a user goes"}, {"security_opt", Done, ""}, {"read_only", Done, ""},
		{"cgroup", Done, ""}, {"cgroup_parent", Done, ""}, {"ipc", Done, ""}, {"pid", Done, ""},
		{"uts", Done, ""}, {"userns_mode", Done, ""}, {"runtime", Done, "there is one: another name is refused, or named"},
		{"devices", Done, "CDI names, and nodes that the user may open"}, {"gpus", Done, "by CDI"}, {"device_cgroup_rules", Refused, root},
		{"blkio_config", Done, "on block devices with cgroup v2"}, {"blkio_config.weight_device", Named, "cgroup v2 has none"},
		{"cpu_count", Refused, "for Windows"}, {"cpu_percent", Refused, "for Windows"}, {"cpu_period", Done, ""}, {"cpu_quota", Done, ""},
		{"cpu_rt_period", Refused, root}, {"cpu_rt_runtime", Refused, root}, {"cpus", Done, ""}, {"cpuset", Done, ""}, {"cpu_shares", Done, ""},
		{"mem_limit", Done, ""}, {"mem_reservation", Done, ""}, {"memswap_limit", Done, ""}, {"mem_swappiness", Named, "cgroup v2 has none"},
		{"oom_kill_disable", Named, "cgroup v2 cannot"}, {"oom_score_adj", Done, ""}, {"pids_limit", Done, ""}, {"shm_size", Done, ""},
		{"sysctls", Done, "of the container's own namespaces"}, {"ulimits", Done, ""}, {"storage_opt", Refused, root}, {"isolation", Done, "default alone"},
		{"credential_spec", Refused, "for Windows"},
		{"tmpfs", Done, ""}, {"volumes", Done, ""}, {"volumes.consistency", Done, "it means something on other systems only"},
		{"volumes.bind.selinux", Done, "it means something with SELinux only"}, {"volumes_from", Done, ""}, {"volume_driver", Done, "local alone"},
		{"secrets", Done, "with uid, gid and mode, which docker compose passes over"}, {"configs", Done, "with uid, gid and mode"},
	}
}

func lifeKeys() []Key {
	const swarm = "it is for a cluster"
	return []Key{
		{"depends_on", Done, "the three conditions, required, restart"}, {"restart", Done, ""}, {"profiles", Done, ""}, {"extends", Done, ""},
		{"scale", Done, ""}, {"pull_policy", Done, ""}, {"pull_refresh_after", Done, "with pull_policy: refresh"},
		{"build", Done, "see below"}, {"attach", Done, ""},
		{"deploy", Done, "as far as one machine goes"}, {"deploy.replicas", Done, ""}, {"deploy.resources", Done, ""}, {"deploy.restart_policy", Done, ""},
		{"deploy.mode", Done, ""}, {"deploy.labels", Named, swarm}, {"deploy.update_config", Named, swarm}, {"deploy.rollback_config", Named, swarm},
		{"deploy.placement", Named, swarm}, {"deploy.endpoint_mode", Named, swarm},
		{"deploy.restart_policy.delay", Named, "the restart policy's own pause is kept"}, {"deploy.restart_policy.window", Named, "likewise"},
		{"deploy.resources.reservations.cpus", Named, swarm}, {"deploy.resources.reservations.generic_resources", Named, swarm},
		{"post_start", Done, ""}, {"pre_stop", Done, "before stop, restart, down and recreating; not where the container ends by itself"},
		{"pre_start", Done, "each in a container of its own, once for a service; per_replica is refused"},
		{"develop", Done, "with up --watch and watch"},
	}
}

func otherKeys() []Key {
	return []Key{
		{"networks", Done, ""}, {"networks.driver_opts", Named, "the one driver has none"}, {"networks.link_local_ips", Named, "the network carries no link-local traffic"},
		{"networks.interface_name", Named, "interfaces are called eth0, eth1, …"}, {"network_mode", Done, ""}, {"mac_address", Done, ""},
		{"dns", Done, ""}, {"dns_opt", Done, ""}, {"dns_search", Done, ""}, {"extra_hosts", Done, ""}, {"expose", Done, ""},
		{"ports", Done, ""}, {"ports.mode", Done, "host and ingress are one on one machine"}, {"ports.app_protocol", Done, "for others to read"},
		{"links", Done, ""},
		{"external_links", Done, "to containers on the same network"},
		{"use_api_socket", Done, "the socket, without credentials"},
		{"models", Refused, "there is no runner of models"}, {"provider", Refused, "programs outside of the file are not run"},
		{"net", Refused, "write network_mode"}, {"dockerfile", Refused, "write build"}, {"log_driver", Refused, "write logging"}, {"log_opt", Refused, "write logging"},
	}
}

// Check refuses a service that says what is refused.
func Check(s types.ServiceConfig) error {
	for _, k := range Keys() {
		if k.Fate == Refused && Says(s, k.Name) {
			return fmt.Errorf("service %q: %s is not supported: %s", s.Name, k.Name, k.Note)
		}
	}
	for i, h := range s.PreStart {
		if h.PerReplica {
			return fmt.Errorf("service %q pre_start[%d]: per_replica is not yet supported; remove per_replica or set it to false", s.Name, i)
		}
		if err := Check(types.ServiceConfig{Name: s.Name, ContainerSpec: h.ContainerSpec}); err != nil {
			return err
		}
	}
	return nil
}

// Unheard are the keys of a service that have no effect, each as it is said.
func Unheard(s types.ServiceConfig) (list []string) {
	for _, k := range Keys() {
		if k.Fate == Named && Says(s, k.Name) {
			list = append(list, fmt.Sprintf("service %q: %s has no effect: %s", s.Name, k.Name, k.Note))
		}
	}
	return list
}

// Says reports whether a service, a network or another part of a project says
// something for a key, in any item of lists and mappings on the way.
func Says(part any, key string) bool {
	return says(reflect.ValueOf(part), strings.Split(key, "."))
}

// says reports whether there is something at a path of keys, in any item of lists
// and mappings on the way.
func says(v reflect.Value, path []string) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && says(v.Elem(), path)
	case reflect.Slice:
		if len(path) == 0 {
			return v.Len() > 0
		}
		for i := range v.Len() {
			if says(v.Index(i), path) {
				return true
			}
		}
		return false
	case reflect.Map:
		if len(path) == 0 {
			return v.Len() > 0
		}
		for _, k := range v.MapKeys() {
			if says(v.MapIndex(k), path) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return !v.IsZero()
	}
	if v.Kind() != reflect.Struct {
		return false
	}
	for i := range v.NumField() {
		name, inline := tagOf(v.Type().Field(i))
		switch {
		case inline && says(v.Field(i), path):
			return true
		case name == path[0]:
			return says(v.Field(i), path[1:])
		}
	}
	return false
}

// tagOf is the key of a field, or that its own fields have theirs.
func tagOf(f reflect.StructField) (name string, inline bool) {
	tag := f.Tag.Get("yaml")
	name, options, _ := strings.Cut(tag, ",")
	if strings.HasPrefix(name, "#") || name == "-" {
		return "", false
	}
	return name, f.Anonymous && strings.Contains(options, "inline")
}
