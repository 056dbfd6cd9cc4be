// SPDX-License-Identifier: Apache-2.0

package kube

// Object is one of Kubernetes' objects, as far as this package writes them.
type Object struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   Meta              `yaml:"metadata"`
	Type       string            `yaml:"type,omitempty"` // of a Secret
	Data       map[string]string `yaml:"data,omitempty"`
	StringData map[string]string `yaml:"stringData,omitempty"`
	BinaryData map[string]string `yaml:"binaryData,omitempty"`
	Spec       any               `yaml:"spec,omitempty"`

	of []string // the services that it is made of: their notes are written above it
}

// Meta is what an object is called.
type Meta struct {
	Name        string            `yaml:"name,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

type workloadSpec struct {
	Replicas        *int      `yaml:"replicas,omitempty"`
	Completions     *int      `yaml:"completions,omitempty"`
	Parallelism     *int      `yaml:"parallelism,omitempty"`
	BackoffLimit    *int      `yaml:"backoffLimit,omitempty"`
	MinReadySeconds int       `yaml:"minReadySeconds,omitempty"`
	Selector        *selector `yaml:"selector,omitempty"`
	Strategy        *strategy `yaml:"strategy,omitempty"`
	Template        template  `yaml:"template"`
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type strategy struct {
	Type          string   `yaml:"type"`
	RollingUpdate *rolling `yaml:"rollingUpdate,omitempty"`
}

type rolling struct {
	MaxSurge       int `yaml:"maxSurge"`
	MaxUnavailable int `yaml:"maxUnavailable"`
}

type template struct {
	Metadata Meta    `yaml:"metadata"`
	Spec     podSpec `yaml:"spec"`
}

type podSpec struct {
	Hostname              string            `yaml:"hostname,omitempty"`
	HostNetwork           bool              `yaml:"hostNetwork,omitempty"`
	HostPID               bool              `yaml:"hostPID,omitempty"`
	HostIPC               bool              `yaml:"hostIPC,omitempty"`
	ShareProcessNamespace bool              `yaml:"shareProcessNamespace,omitempty"`
	NodeSelector          map[string]string `yaml:"nodeSelector,omitempty"`
	RestartPolicy         string            `yaml:"restartPolicy,omitempty"`
	Grace                 *int64            `yaml:"terminationGracePeriodSeconds,omitempty"`
	ServiceLinks          *bool             `yaml:"enableServiceLinks,omitempty"`
	DNSPolicy             string            `yaml:"dnsPolicy,omitempty"`
	DNSConfig             *dnsConfig        `yaml:"dnsConfig,omitempty"`
	HostAliases           []hostAlias       `yaml:"hostAliases,omitempty"`
	ImagePullSecrets      []named           `yaml:"imagePullSecrets,omitempty"`
	Security              *podSecurity      `yaml:"securityContext,omitempty"`
	Init                  []container       `yaml:"initContainers,omitempty"`
	Containers            []container       `yaml:"containers"`
	Volumes               []volume          `yaml:"volumes,omitempty"`
}

type named struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value,omitempty"`
}

type dnsConfig struct {
	Nameservers []string `yaml:"nameservers,omitempty"`
	Searches    []string `yaml:"searches,omitempty"`
	Options     []named  `yaml:"options,omitempty"`
}

type hostAlias struct {
	IP        string   `yaml:"ip"`
	Hostnames []string `yaml:"hostnames"`
}

type podSecurity struct {
	SupplementalGroups []int64 `yaml:"supplementalGroups,omitempty"`
	Sysctls            []named `yaml:"sysctls,omitempty"`
}

type container struct {
	Name       string      `yaml:"name"`
	Image      string      `yaml:"image"`
	PullPolicy string      `yaml:"imagePullPolicy,omitempty"`
	Command    []string    `yaml:"command,omitempty"`
	Args       []string    `yaml:"args,omitempty"`
	WorkingDir string      `yaml:"workingDir,omitempty"`
	EnvFrom    []envFrom   `yaml:"envFrom,omitempty"`
	Env        []variable  `yaml:"env,omitempty"`
	Ports      []ctrPort   `yaml:"ports,omitempty"`
	Resources  *resources  `yaml:"resources,omitempty"`
	Readiness  *probe      `yaml:"readinessProbe,omitempty"`
	Lifecycle  *lifecycle  `yaml:"lifecycle,omitempty"`
	Security   *ctrContext `yaml:"securityContext,omitempty"`
	Stdin      bool        `yaml:"stdin,omitempty"`
	TTY        bool        `yaml:"tty,omitempty"`
	Mounts     []mount     `yaml:"volumeMounts,omitempty"`
}

type envFrom struct {
	ConfigMap named `yaml:"configMapRef"`
}

// variable is one of the environment: an empty value is one.
type variable struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

type ctrPort struct {
	Port     int    `yaml:"containerPort"`
	HostPort int    `yaml:"hostPort,omitempty"`
	Protocol string `yaml:"protocol,omitempty"`
}

type resources struct {
	Limits   map[string]string `yaml:"limits,omitempty"`
	Requests map[string]string `yaml:"requests,omitempty"`
}

type probe struct {
	Exec             action `yaml:"exec"`
	PeriodSeconds    int64  `yaml:"periodSeconds"`
	TimeoutSeconds   int64  `yaml:"timeoutSeconds"`
	FailureThreshold int64  `yaml:"failureThreshold"`
}

type action struct {
	Command []string `yaml:"command"`
}

type handler struct {
	Exec action `yaml:"exec"`
}

type lifecycle struct {
	PostStart *handler `yaml:"postStart,omitempty"`
	PreStop   *handler `yaml:"preStop,omitempty"`
}

type ctrContext struct {
	User         *int64        `yaml:"runAsUser,omitempty"`
	Group        *int64        `yaml:"runAsGroup,omitempty"`
	Privileged   bool          `yaml:"privileged,omitempty"`
	ReadOnly     bool          `yaml:"readOnlyRootFilesystem,omitempty"`
	Escalation   *bool         `yaml:"allowPrivilegeEscalation,omitempty"`
	Capabilities *capabilities `yaml:"capabilities,omitempty"`
	Seccomp      *profile      `yaml:"seccompProfile,omitempty"`
	AppArmor     *profile      `yaml:"appArmorProfile,omitempty"`
	SELinux      *selinux      `yaml:"seLinuxOptions,omitempty"`
}

type capabilities struct {
	Add  []string `yaml:"add,omitempty"`
	Drop []string `yaml:"drop,omitempty"`
}

type profile struct {
	Type      string `yaml:"type"`
	Localhost string `yaml:"localhostProfile,omitempty"`
}

type selinux struct {
	User  string `yaml:"user,omitempty"`
	Role  string `yaml:"role,omitempty"`
	Type  string `yaml:"type,omitempty"`
	Level string `yaml:"level,omitempty"`
}

type mount struct {
	Name     string `yaml:"name"`
	Path     string `yaml:"mountPath"`
	SubPath  string `yaml:"subPath,omitempty"`
	ReadOnly bool   `yaml:"readOnly,omitempty"`
}

type volume struct {
	Name      string     `yaml:"name"`
	Claim     *claim     `yaml:"persistentVolumeClaim,omitempty"`
	ConfigMap *configMap `yaml:"configMap,omitempty"`
	Secret    *secret    `yaml:"secret,omitempty"`
	Empty     *empty     `yaml:"emptyDir,omitempty"`
	Host      *hostPath  `yaml:"hostPath,omitempty"`
	Image     *image     `yaml:"image,omitempty"`
}

type claim struct {
	Name string `yaml:"claimName"`
}

type configMap struct {
	Name string `yaml:"name"`
	Mode *int   `yaml:"defaultMode,omitempty"`
}

type secret struct {
	Name string `yaml:"secretName"`
	Mode *int   `yaml:"defaultMode,omitempty"`
}

type empty struct {
	Medium string `yaml:"medium,omitempty"`
	Size   string `yaml:"sizeLimit,omitempty"`
}

type hostPath struct {
	Path string `yaml:"path"`
	Type string `yaml:"type,omitempty"`
}

type image struct {
	Reference  string `yaml:"reference"`
	PullPolicy string `yaml:"pullPolicy"`
}

type claimSpec struct {
	AccessModes []string  `yaml:"accessModes"`
	Class       *string   `yaml:"storageClassName,omitempty"`
	Resources   resources `yaml:"resources"`
}

type serviceSpec struct {
	Type      string            `yaml:"type,omitempty"`
	ClusterIP string            `yaml:"clusterIP,omitempty"`
	Selector  map[string]string `yaml:"selector"`
	Ports     []servicePort     `yaml:"ports,omitempty"`
}

type servicePort struct {
	Name        string `yaml:"name"`
	Protocol    string `yaml:"protocol,omitempty"`
	AppProtocol string `yaml:"appProtocol,omitempty"`
	Port        int    `yaml:"port"`
	Target      int    `yaml:"targetPort"`
}
