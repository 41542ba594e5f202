export { JobList as default } from "@/features/jobs/list";
