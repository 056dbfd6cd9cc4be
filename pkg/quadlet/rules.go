// SPDX-License-Identifier: Apache-2.0

package quadlet

import (
	"fmt"
	"strings"

	"coracle/pkg/systemd"
)

// how is what is done with a key.
type how int

const (
	special how = iota // the kind's own code looks at it
	last               // the last value is a flag's
	each               // every value is a flag's
	words              // every word of every value is a flag's
	pairs              // every word is KEY=VALUE, a flag's
	boolean            // a flag that is there or not
	noted              // no effect here, for the reason in say
	refused            // cannot be done, for the reason in say
)

// rule is what becomes of a key: a flag of the command, or words about it.
type rule struct {
	how  how
	flag string
	say  string
}

const (
	whyPodman   = "it is podman's own"
	whyMaps     = "a container has all ids of its user; UserNS=keep-id is the choice that there is"
	whyLabels   = "containers have no SELinux labels"
	whyStartup  = "there is one check: use HealthStartPeriod="
	whyHealth   = "the last five results are kept with the container"
	whyRetry    = "a pull tries again by itself; Restart= of the service does the rest"
	whySecret   = "there are no secrets of the store: bind a file (Volume=), or LoadCredential="
	whyLogin    = "log in with `coracle login`, or name a file: AuthFile="
	whyTLS      = "registries.conf says which registries are insecure"
	whyResolver = "it is the container's: DNS= in the .container file"
)

// Functions, for a table costs every start of the program. containerRules are in
// the order of podman-systemd.unit(5).
func containerRules() map[string]rule {
	return map[string]rule{
		"AddCapability": {how: words, flag: "--cap-add"}, "AddDevice": {}, "AddHost": {how: each, flag: "--add-host"},
		"Annotation": {how: pairs, flag: "--annotation"}, "AppArmor": {how: refused, say: "a profile of the system needs root to be entered"},
		"AutoUpdate":    {how: noted, say: "nothing updates by itself; `coracle pull` and restart the service"},
		"CgroupsMode":   {how: noted, say: "a container's cgroup is below its service's (Delegate=yes)"},
		"ContainerName": {}, "ContainersConfModule": {how: refused, say: whyPodman},
		"DNS": {how: each, flag: "--dns"}, "DNSOption": {how: each, flag: "--dns-option"}, "DNSSearch": {how: each, flag: "--dns-search"},
		"DropCapability": {how: words, flag: "--cap-drop"}, "Entrypoint": {}, "Environment": {how: pairs, flag: "--env"},
		"EnvironmentFile": {}, "EnvironmentHost": {how: boolean, flag: "--env-host"}, "Exec": {}, "ExposeHostPort": {how: each, flag: "--expose"},
		"GIDMap": {how: refused, say: whyMaps}, "GlobalArgs": {how: refused, say: whyPodman}, "Group": {}, "GroupAdd": {how: each, flag: "--group-add"},
		"HealthCmd": {}, "HealthInterval": {}, "HealthLogDestination": {how: noted, say: whyHealth}, "HealthMaxLogCount": {how: noted, say: whyHealth},
		"HealthMaxLogSize": {how: noted, say: whyHealth}, "HealthOnFailure": {}, "HealthRetries": {how: last, flag: "--health-retries"},
		"HealthStartPeriod": {how: last, flag: "--health-start-period"}, "HealthStartupCmd": {how: refused, say: whyStartup},
		"HealthStartupInterval": {how: refused, say: whyStartup}, "HealthStartupRetries": {how: refused, say: whyStartup},
		"HealthStartupSuccess": {how: refused, say: whyStartup}, "HealthStartupTimeout": {how: refused, say: whyStartup},
		"HealthTimeout": {how: last, flag: "--health-timeout"}, "HostName": {how: last, flag: "--hostname"},
		"HttpProxy": {},
		"Image":     {}, "IP": {how: last, flag: "--ip"}, "IP6": {how: last, flag: "--ip6"}, "Label": {how: pairs, flag: "--label"},
		"LogDriver": {}, "LogOpt": {how: each, flag: "--log-opt"}, "Mask": {how: refused, say: "only all of the default paths can be unmasked (Unmask=ALL)"},
		"Memory": {how: last, flag: "--memory"}, "Mount": {}, "Network": {}, "NetworkAlias": {how: each, flag: "--network-alias"},
		"NoNewPrivileges": {}, "Notify": {}, "PidsLimit": {how: last, flag: "--pids-limit"}, "Pod": {how: refused, say: whyPods},
		"PodmanArgs": {}, "PublishPort": {how: each, flag: "--publish"}, "Pull": {}, "ReadOnly": {}, "ReadOnlyTmpfs": {},
		"ReloadCmd": {}, "ReloadSignal": {}, "RemapGid": {how: refused, say: whyMaps}, "RemapUid": {how: refused, say: whyMaps},
		"RemapUidSize": {how: refused, say: whyMaps}, "RemapUsers": {how: refused, say: whyMaps}, "Retry": {how: noted, say: whyRetry},
		"RetryDelay": {how: noted, say: whyRetry}, "Rootfs": {how: refused, say: "a container is of an image: `coracle import` makes one"},
		"RunInit": {how: boolean, flag: "--init"}, "SeccompProfile": {}, "Secret": {how: refused, say: whySecret},
		"SecurityLabelDisable": {how: noted, say: whyLabels}, "SecurityLabelFileType": {how: noted, say: whyLabels},
		"SecurityLabelLevel": {how: noted, say: whyLabels}, "SecurityLabelNested": {how: noted, say: whyLabels}, "SecurityLabelType": {how: noted, say: whyLabels},
		"ServiceName": {}, "ShmSize": {how: last, flag: "--shm-size"}, "StartWithPod": {how: noted, say: "there are no pods"},
		"StopSignal": {how: last, flag: "--stop-signal"}, "StopTimeout": {how: last, flag: "--stop-timeout"},
		"SubGIDMap": {how: refused, say: whyMaps}, "SubUIDMap": {how: refused, say: whyMaps}, "Sysctl": {how: words, flag: "--sysctl"},
		"Timezone": {}, "Tmpfs": {how: each, flag: "--tmpfs"}, "UIDMap": {how: refused, say: whyMaps}, "Ulimit": {how: each, flag: "--ulimit"},
		"Unmask": {}, "User": {}, "UserNS": {how: last, flag: "--userns"}, "VolatileTmp": {}, "Volume": {}, "WorkingDir": {how: last, flag: "--workdir"},
	}
}

func volumeRules() map[string]rule {
	return map[string]rule{
		"ContainersConfModule": {how: refused, say: whyPodman}, "Copy": {}, "Device": {}, "Driver": {how: last, flag: "--driver"},
		"GlobalArgs": {how: refused, say: whyPodman}, "Group": {}, "Image": {how: refused, say: "a volume is not made of an image: Mount=type=image in the .container file"},
		"Label": {how: pairs, flag: "--label"}, "Options": {}, "PodmanArgs": {}, "ServiceName": {}, "Type": {}, "User": {}, "VolumeName": {},
		"UID": {how: refused, say: "a volume is the image's user's from its first use on"}, "GID": {how: refused, say: "a volume is the image's user's from its first use on"},
	}
}

func networkRules() map[string]rule {
	return map[string]rule{
		"ContainersConfModule": {how: refused, say: whyPodman}, "DisableDNS": {}, "DNS": {how: refused, say: whyResolver},
		"Driver": {how: last, flag: "--driver"}, "Gateway": {}, "GlobalArgs": {how: refused, say: whyPodman}, "InterfaceName": {how: noted, say: "there is no bridge on the host"},
		"Internal": {how: boolean, flag: "--internal"}, "IPAMDriver": {}, "IPRange": {}, "IPv6": {how: boolean, flag: "--ipv6"}, "Label": {how: pairs, flag: "--label"},
		"NetworkDeleteOnStop": {}, "NetworkName": {}, "Options": {how: pairs, flag: "--opt"}, "PodmanArgs": {}, "ServiceName": {}, "Subnet": {},
	}
}

func imageRules() map[string]rule {
	return map[string]rule{
		"AllTags": {how: boolean, flag: "--all-tags"}, "Arch": {}, "AuthFile": {}, "CertDir": {how: refused, say: "certificates are in ~/.config/coracle/certs.d, /etc/containers/certs.d and their like"},
		"ContainersConfModule": {how: refused, say: whyPodman}, "Creds": {how: refused, say: whyLogin}, "DecryptionKey": {how: refused, say: "encrypted images are not read"},
		"GlobalArgs": {how: refused, say: whyPodman}, "Image": {}, "ImageTag": {}, "OS": {}, "PodmanArgs": {}, "Policy": {}, "Retry": {how: noted, say: whyRetry},
		"RetryDelay": {how: noted, say: whyRetry}, "ServiceName": {}, "TLSVerify": {}, "Variant": {},
	}
}

func buildRules() map[string]rule {
	return map[string]rule{
		"Annotation": {how: pairs, flag: "--annotation"}, "Arch": {}, "AuthFile": {}, "BuildArg": {how: pairs, flag: "--build-arg"},
		"ContainersConfModule": {how: refused, say: whyPodman}, "DNS": {how: refused, say: "a build has the host's resolver"},
		"DNSOption": {how: refused, say: "a build has the host's resolver"}, "DNSSearch": {how: refused, say: "a build has the host's resolver"},
		"Environment": {how: refused, say: "say it in the Containerfile (ENV), or by BuildArg="}, "File": {}, "ForceRM": {how: noted, say: "nothing is left behind"},
		"GlobalArgs": {how: refused, say: whyPodman}, "GroupAdd": {how: refused, say: "a RUN has the groups of its USER"},
		"IgnoreFile": {how: refused, say: "name it .dockerignore, or like the Containerfile with .dockerignore behind"},
		"ImageTag":   {how: each, flag: "--tag"}, "Label": {how: pairs, flag: "--label"}, "Network": {}, "PodmanArgs": {}, "Pull": {},
		"Retry": {how: noted, say: whyRetry}, "RetryDelay": {how: noted, say: whyRetry}, "Secret": {how: words, flag: "--secret"}, "ServiceName": {},
		"SetWorkingDirectory": {}, "Target": {how: last, flag: "--target"}, "TLSVerify": {}, "Variant": {},
		"Volume": {how: refused, say: "RUN --mount=type=bind in the Containerfile"},
	}
}

// flags adds the flags of all keys that have one.
func (c *conversion) flags() error {
	done := map[string]bool{}
	for _, e := range c.from.Entries {
		r := c.keys[e.Key]
		if r.flag == "" || done[e.Key] {
			continue
		}
		done[e.Key] = true
		if err := c.flagsOf(e.Key, r); err != nil {
			return fmt.Errorf("%s: %w", e.Key, err)
		}
	}
	return nil
}

func (c *conversion) flagsOf(key string, r rule) error {
	all := c.from.All(key)
	if len(all) == 0 {
		return nil
	}
	switch r.how {
	case last:
		c.args = append(c.args, r.flag, all[len(all)-1])
	case boolean:
		yes, err := systemd.Boolean(all[len(all)-1])
		if err != nil {
			return err
		}
		if yes {
			c.args = append(c.args, r.flag)
		}
	case each:
		for _, v := range all {
			c.args = append(c.args, r.flag, v)
		}
	case words, pairs:
		list, err := c.split(key)
		if err != nil {
			return err
		}
		for _, w := range list {
			if r.how == pairs && !strings.Contains(w, "=") && key != "Environment" {
				w += "="
			}
			c.args = append(c.args, r.flag, w)
		}
	}
	return nil
}

// split is all words of all values of a key.
func (c *conversion) split(key string) ([]string, error) {
	var list []string
	for _, v := range c.from.All(key) {
		w, err := systemd.Split(v)
		if err != nil {
			return nil, err
		}
		list = append(list, w...)
	}
	return list, nil
}

// yes reads a key that says yes or no.
func (c *conversion) yes(key string, otherwise bool) (bool, error) {
	v := c.from.Last(key)
	if v == "" {
		return otherwise, nil
	}
	y, err := systemd.Boolean(v)
	if err != nil {
		err = fmt.Errorf("%s: %w", key, err)
	}
	return y, err
}
