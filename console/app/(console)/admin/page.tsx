export { StatisticsPageWithTexts as default } from "@/features/statistics/page";
