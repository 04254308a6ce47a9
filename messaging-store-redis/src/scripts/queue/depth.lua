-- How many messages of each session there are. ARGV: the sessions.

load(ARGV)
local depths = {}
for i, id in ipairs(ARGV) do
  depths[i] = call('ZCARD', LINE .. id) + (sessions[id].out ~= '' and 1 or 0)
end
return depths
