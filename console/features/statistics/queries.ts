import { api } from "@/lib/api";
import { query } from "@/lib/query";

export const statisticsQuery = query(["admin", "statistics"], (signal) => api.statistics.read({ signal }));

export const dailyQuery = query(["admin", "statistics", "daily"], (signal) => api.statistics.readDaily({ signal }));
