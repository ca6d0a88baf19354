-- Health of objects of forkable.dev for Argo CD. All kinds follow kstatus: Reconciling and Stalled are there only
-- when true. Argo CD runs this without Lua's libraries.
local health = { status = "Progressing", message = "waits for Forkable to see it" }
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "is being deleted"
  return health
end
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready
if ready == nil then
  return health
end
health.message = ready.message
if ready.reason == "Suspended" then
  health.status = "Suspended"
elseif conditions.Reconciling ~= nil and conditions.Reconciling.status == "True" then
  health.status = "Progressing"
elseif conditions.Stalled ~= nil and conditions.Stalled.status == "True" then
  health.status = "Degraded"
elseif ready.status == "True" then
  health.status = "Healthy"
end
return health
