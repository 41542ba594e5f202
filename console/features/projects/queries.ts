import type { ProjectRead, ProjectsListData } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery, query, readNumbered } from "@/lib/query";

type Filters = Pick<NonNullable<ProjectsListData["query"]>, "q" | "sort" | "status">;

export const projectsKey = (teamId: string) => ["teams", teamId, "projects"] as const;

export const projectsQuery = (teamId: string, filters: Filters) =>
  listQuery([...projectsKey(teamId), "list", filters], (cursor, signal) =>
    readNumbered(cursor, (page) => api.projects.list({ "X-Team-ID": teamId, ...filters, ...page }, { signal })),
  );

export const projectQuery = (teamId: string, id: string) =>
  query([...projectsKey(teamId), id], (signal) =>
    api.projects.read({ "X-Team-ID": teamId, project_id: id }, { signal }),
  );

export type Project = ProjectRead;
