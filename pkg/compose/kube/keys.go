// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
)

// Key is something that a service can say. The path of a key within another is joined
// with dots; those that are not in the table share what becomes of what they are in.
type Key struct {
	Name    string
	Becomes string // empty: it is not carried over, which is said
	Note    string // why not; or what a reader may not expect
}

// Keys are all keys of a service, in the order of their names, with those within them
// that have another fate.
func Keys() []Key {
	return slices.SortedFunc(slices.Values(slices.Concat(processKeys(), hostKeys(), lifeKeys(), otherKeys())), func(a, b Key) int {
		return strings.Compare(a.Name, b.Name)
	})
}

func processKeys() []Key {
	return []Key{
		{"command", "args", ""}, {"entrypoint", "command", "an empty one is named: it cannot take away the image's"},
		{"environment", "env", ""}, {"env_file", "a ConfigMap, by envFrom", ""},
		{"user", "runAsUser, runAsGroup", "numbers alone"}, {"working_dir", "workingDir", ""}, {"hostname", "hostname", ""},
		{"domainname", "", "a pod's domain is the cluster's"}, {"group_add", "supplementalGroups", "numbers alone"},
		{"umask", "", "there is no field for it: set it in the command"}, {"tty", "tty", ""}, {"stdin_open", "stdin", ""},
		{"init", "", "there is no field for it: an image can bring its own, such as tini"}, {"image", "image", ""},
		{"platform", "nodeSelector", ""}, {"labels", "annotations of the pod", "values of Kubernetes' labels are short"}, {"label_file", "annotations of the pod", ""},
		{"annotations", "annotations of the pod", ""}, {"container_name", "another Service of that name", "the container's name in the pod is the service's"},
		{"name", "the names of its objects", ""}, {"healthcheck", "readinessProbe", "as with compose, a container that fails it is not restarted"},
		{"healthcheck.start_period", "nothing: none is needed", "a pod is not ready before its first success"},
		{"healthcheck.start_interval", "nothing", "the interval is one"},
		{"stop_signal", "", "the image's STOPSIGNAL is what ends it"}, {"stop_grace_period", "terminationGracePeriodSeconds", ""},
		{"logging", "", "the cluster collects output"},
	}
}

func hostKeys() []Key {
	const node = "it is the node's matter"
	const windows = "for Windows"
	return []Key{
		{"cap_add", "capabilities.add", ""}, {"cap_drop", "capabilities.drop", ""}, {"privileged", "privileged", ""},
		{"security_opt", "allowPrivilegeEscalation, seccompProfile, appArmorProfile, seLinuxOptions", "a profile of seccomp in a file is named: it has to be on every node"},
		{"read_only", "readOnlyRootFilesystem", ""}, {"cgroup", "", node}, {"cgroup_parent", "", node},
		{"ipc", "hostIPC", "host alone"}, {"pid", "hostPID, shareProcessNamespace", "host, or a service's in the same pod"}, {"uts", "", "a pod has its own hostname"},
		{"userns_mode", "", node}, {"runtime", "", "a RuntimeClass is the cluster's"}, {"devices", "", "a device plugin gives them out"},
		{"gpus", "limits: nvidia.com/gpu", "a number of them"}, {"device_cgroup_rules", "", node}, {"blkio_config", "", node},
		{"cpu_count", "", windows}, {"cpu_percent", "", windows}, {"cpu_period", "limits.cpu, with cpu_quota", ""}, {"cpu_quota", "limits.cpu", ""},
		{"cpu_rt_period", "", node}, {"cpu_rt_runtime", "", node}, {"cpus", "limits.cpu", ""}, {"cpuset", "", node},
		{"cpu_shares", "", "a weight comes of requests.cpu: write deploy.resources.reservations.cpus"},
		{"mem_limit", "limits.memory", ""}, {"mem_reservation", "requests.memory", ""}, {"memswap_limit", "", node}, {"mem_swappiness", "", node},
		{"oom_kill_disable", "", node}, {"oom_score_adj", "", "it comes of requests and limits"}, {"pids_limit", "", node},
		{"shm_size", "emptyDir in memory at /dev/shm", ""}, {"sysctls", "sysctls of the pod", "others than safe ones have to be allowed on the nodes"},
		{"ulimits", "", node}, {"storage_opt", "", "limits.ephemeral-storage is the nearest"}, {"isolation", "", windows}, {"credential_spec", "", windows},
		{"tmpfs", "emptyDir in memory", "with its size; other options are named"},
		{"volumes", "PersistentVolumeClaim, ConfigMap, hostPath, emptyDir, image", "a new volume does not begin with what the image has there"},
		{"volumes.consistency", "", "it means something on other systems only"}, {"volumes.bind.selinux", "", node},
		{"volumes.bind.propagation", "", node}, {"volumes.bind.recursive", "", node},
		{"volumes.volume.nocopy", "nothing: it is so", ""}, {"volumes.volume.labels", "", "write labels of the volume"}, {"volumes.tmpfs.mode", "", "an emptyDir has 0777"},
		{"volumes_from", "the other's volumes", "from services"}, {"volume_driver", "", "a StorageClass is the cluster's"},
		{"secrets", "Secret", "with the text in it"}, {"secrets.uid", "", "files belong to root"}, {"secrets.gid", "", "files belong to root"},
		{"configs", "ConfigMap", ""}, {"configs.uid", "", "files belong to root"}, {"configs.gid", "", "files belong to root"},
	}
}

func lifeKeys() []Key {
	return []Key{
		{"depends_on", "an init container, for service_completed_successfully", "where one waits, with one pod; else it is named: pods start in any order"},
		{"restart", "Deployment; Job for no and on-failure", "no Job where it has ports, a healthcheck or several containers, or others depend on it"}, {"profiles", "nothing: chosen before", ""}, {"extends", "nothing: done before", ""},
		{"scale", "replicas", ""}, {"pull_policy", "imagePullPolicy", ""}, {"pull_refresh_after", "", "there is no such policy"},
		{"build", "", "no cluster builds: build the image, and push it where the cluster finds it"}, {"attach", "nothing", "it is about a terminal"},
		{"deploy", "as below", ""}, {"deploy.mode", "Deployment, DaemonSet, Job", ""}, {"deploy.replicas", "replicas", ""},
		{"deploy.labels", "annotations of the Deployment", ""}, {"deploy.resources", "limits, requests", ""},
		{"deploy.resources.limits.pids", "", "it is the node's matter"}, {"deploy.resources.reservations.generic_resources", "", "write devices"},
		{"deploy.restart_policy", "as restart", ""}, {"deploy.restart_policy.delay", "", "Kubernetes has a pause of its own"}, {"deploy.restart_policy.window", "", "likewise"},
		{"deploy.update_config", "strategy", "parallelism, order and delay"}, {"deploy.update_config.failure_action", "", "kubectl rollout undo"},
		{"deploy.update_config.monitor", "", "likewise"}, {"deploy.update_config.max_failure_ratio", "", "likewise"}, {"deploy.rollback_config", "", "kubectl rollout undo"},
		{"deploy.placement", "nodeSelector", "constraints with =="}, {"deploy.placement.preferences", "", "write topologySpreadConstraints"},
		{"deploy.placement.max_replicas_per_node", "", "write topologySpreadConstraints"}, {"deploy.endpoint_mode", "clusterIP: None, for dnsrr", ""},
		{"post_start", "lifecycle.postStart", "one that is a command alone"}, {"pre_stop", "lifecycle.preStop", "one that is a command alone"},
		{"pre_start", "", "write a service, and wait for it with service_completed_successfully"}, {"develop", "", "a cluster has no source to watch"},
	}
}

func otherKeys() []Key {
	const pod = "the cluster gives addresses"
	const old = "of long ago"
	return []Key{
		{"networks", "nothing", "every pod reaches every other: several networks are named"}, {"networks.aliases", "another Service of that name", ""},
		{"networks.use_service_name_alias", "nothing", "false is named: its Service has its name"},
		{"networks.ipv4_address", "", pod}, {"networks.ipv6_address", "", pod}, {"networks.link_local_ips", "", pod}, {"networks.mac_address", "", pod},
		{"networks.driver_opts", "", pod}, {"networks.interface_name", "", pod}, {"networks.gw_priority", "", pod}, {"networks.priority", "", pod},
		{"network_mode", "hostNetwork, or the same pod", "host, and a service's"}, {"mac_address", "", pod},
		{"dns", "dnsConfig.nameservers", "after the cluster's"}, {"dns_opt", "dnsConfig.options", ""}, {"dns_search", "dnsConfig.searches", ""},
		{"extra_hosts", "hostAliases", "host-gateway is named"}, {"expose", "ports of the Service", ""},
		{"ports", "ports of the Service", "within the cluster, at both numbers; the label kompose.service.type says nodeport, loadbalancer or headless"},
		{"ports.mode", "hostPort, for host", ""}, {"ports.app_protocol", "appProtocol", ""}, {"ports.host_ip", "", "the cluster gives addresses"},
		{"links", "another Service of that name", ""}, {"external_links", "", "write a Service of type ExternalName"},
		{"use_api_socket", "", "there is no engine on a node"}, {"models", "", "there is no runner of models"}, {"provider", "", "programs outside of the file are not run"},
		{"net", "", old}, {"dockerfile", "", old}, {"log_driver", "", old}, {"log_opt", "", old},
	}
}

// unheard are the keys of a service that are not carried over, as the table has them.
func unheard(s types.ServiceConfig) (list []Key) {
	for _, k := range Keys() {
		if k.Becomes == "" && convert.Says(s, k.Name) {
			list = append(list, k)
		}
	}
	return list
}
