-- Sends 16 requests at once, and then waits for their replies.
init = function(arguments)
    local requests = {}
    for position = 1, 16 do
        requests[position] = wrk.format("GET", "/")
    end
    pipelined = table.concat(requests)
end

request = function()
    return pipelined
end
