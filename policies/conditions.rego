# METADATA
# title: When a rule matches
# description: >
#   A rule matches when every condition is shown to hold. What cannot be evaluated is not shown, so it does not
#   match. The build writes each condition out in full (an absent one as all values), none is ever skipped here.
package countersign.conditions

names := {"agent", "roles", "environment", "sensitivity"}

met(rule) if holding(rule) == names

unmet(rule) := names - holding(rule)

holding(rule) := {name |
	some name in names
	holds(name, rule)
}

holds("agent", rule) if {
	rule.any_agent == true
	is_string(input.agent.id)
	input.agent.id != ""
}

holds("agent", rule) if rule.agents[input.agent.id] == true

holds("roles", rule) if {
	is_array(input.workload.roles)
	is_array(rule.roles)
	every role in rule.roles { role in input.workload.roles }
}

holds("environment", rule) if rule.environments[input.resource.environment] == true

holds("sensitivity", rule) if rule.sensitivities[input.resource.sensitivity] == true

# Whether a rule that matches lets the caller on: it does not deny, and what it demands of the caller is there.
acceptable(rule) if {
	rule.decision in {"permit", "needs_approval"}
	key_accepted(rule)
	credential_accepted(rule)
}

key_accepted(rule) if rule.require_key_binding == false

key_accepted(rule) if {
	rule.require_key_binding == true
	input.key_bound == true
}

credential_accepted(rule) if rule.refuse_client_secret == false

credential_accepted(rule) if {
	rule.refuse_client_secret == true
	input.workload.credential == "certificate"
}
